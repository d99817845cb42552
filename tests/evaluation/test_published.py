"""The published numbers: every network has its own, and those of the table agree with each other."""

from __future__ import annotations

from openmidas.evaluation.protocols import PROTOCOLS
from openmidas.evaluation.published import (
    METRICS,
    NETWORKS,
    PUBLISHED,
    PUBLISHED_SCORES,
    published_row,
    published_scores,
    trained_on,
)
from openmidas.models.weights import CHECKPOINTS


def test_every_checkpoint_has_its_network_and_every_score_its_checkpoint() -> None:
    assert list(NETWORKS) == list(CHECKPOINTS)
    assert {scores.name for scores in PUBLISHED_SCORES} == set(list(CHECKPOINTS)[:13])


def test_scores_are_those_at_the_networks_own_size() -> None:
    for name, network in NETWORKS.items():
        scores = published_scores(name)
        assert (scores is None) == (name in list(CHECKPOINTS)[13:])
        if scores is not None:
            assert (scores.height_px, scores.square) == (network.side_px, network.square)


def test_a_networks_own_scores_are_found() -> None:
    scores = published_scores("dpt_large_384")
    assert scores is not None
    assert scores.errors == {
        "DIW": 0.1082,
        "ETH3D": 0.0888,
        "Sintel": 0.2697,
        "TUM": 9.97,
        "KITTI": 8.46,
        "NYU": 8.32,
    }
    assert scores.trained_on == ()
    assert published_scores("tiny") is None


def test_errors_are_fractions_or_percentages_as_their_metric_says() -> None:
    for scores in PUBLISHED_SCORES:
        for name, metric in METRICS.items():
            assert (scores.errors[name] < 1) == (not metric.startswith("%"))


def test_training_on_a_set_helps_on_it() -> None:
    zero_shot = [scores.errors["NYU"] for scores in PUBLISHED_SCORES if "NYU" not in scores.trained_on]
    trained = [
        scores.errors["NYU"]
        for scores in PUBLISHED_SCORES
        if "NYU" in scores.trained_on and scores.height_px >= 384
    ]
    assert max(trained) < min(zero_shot)


def test_published_figures_are_of_the_protocols_sets_and_metrics() -> None:
    assert set(PUBLISHED) <= set(PROTOCOLS)
    for protocol, table in PUBLISHED.items():
        assert table.source
        metrics = {rule.set_name: rule.metrics for rule in PROTOCOLS[protocol].rules.values()}
        for row in table.rows:
            # of DDAD no reader is here
            assert set(metrics) <= set(row.figures) <= {*metrics, "DDAD"}
            assert all(tuple(row.figures[name]) == known for name, known in metrics.items())
            assert row.trained_on == trained_on(row.name)


def test_the_same_weights_have_other_figures_in_another_protocol() -> None:
    midas, other = (
        published_row(protocol, "dpt_beit_large_512") for protocol in ("midas-2020", "depth-anything")
    )
    assert midas is not None
    assert other is not None
    assert (midas.figures["KITTI"], other.figures["KITTI"]["δ<1.25"]) == ({"% δ>1.25": 11.56}, 0.850)
    assert published_row("marigold", "dpt_beit_large_512") is None
    assert published_row("midas-2020", "tiny") is None


def test_training_sets_are_known_of_networks_without_published_figures_too() -> None:
    assert trained_on("tiny") == ("NYU",)
    assert trained_on("dpt_hybrid_kitti") == ("KITTI",)
    assert trained_on("somebody's") == ()

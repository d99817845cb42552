from openmidas.training.synthetic.folder import main

if __name__ == "__main__":
    main()

"""How games that train one component after another weigh the training points in between."""

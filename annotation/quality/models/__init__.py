"""From many people's answers to what an item is: fixed accuracy, majority, Dawid-Skene, GLAD."""

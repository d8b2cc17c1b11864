"""Labels that people give: class folders, and corrections of a model's answers."""

"""What repeats a training besides the data: the settings of a forecaster, of its optimiser, and presets."""

"""Draws of a game in float64, where rounding is far below what a test looks for."""


class Double:
    """What ``draw`` gives, in float64."""

    def __init__(self, draw):
        self.draw = draw

    def real(self):
        return self.draw.real().double()

    def latents(self):
        return self.draw.latents().double()

    def of(self, role, count):
        return Double(self.draw.of(role, count))

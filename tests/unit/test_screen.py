"""What the terminal shows."""

import io

from rich.console import Console

from calcgen_ray.cli.screen import Screen


def test_a_column_that_the_first_row_is_without_has_its_heading() -> None:
    screen = Screen()
    screen.console = Console(file=io.StringIO(), width=80)
    screen.table("arms", [{"arm": "small", "step_s": 1.5}, {"arm": "large", "pace": 1898}])
    lines = screen.console.file.getvalue().splitlines()
    cells = [[cell.strip() for cell in line.strip("┃│").replace("┃", "│").split("│")]
             for line in lines if line[0] in "┃│"]  # fmt: skip
    assert cells == [["arm", "step_s", "pace"], ["small", "1.5", ""], ["large", "", "1,898"]]

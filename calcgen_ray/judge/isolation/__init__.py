"""The layers between a job and the machine, and the attempts that show that each holds."""

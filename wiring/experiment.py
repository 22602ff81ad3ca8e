"""From settings to the experiment that gives each user an arm."""

from ab.assignment import Experiment
from settings import Settings

# The salt of the experiment that AB_TESTING_ENABLED and RL_TRAFFIC_PERCENTAGE set up; another salt is another split of
# the users. Under this one the README's user123 falls below 0.1, so a newcomer's first request meets the policy.
DEFAULT_EXPERIMENT = "default"
DEFAULT_SALT = "rl-vs-rule-13"


def open_experiment(settings: Settings) -> Experiment:
    """The default experiment as the environment sets it up."""
    return Experiment(
        key=DEFAULT_EXPERIMENT,
        salt=DEFAULT_SALT,
        enabled=settings.ab_testing_enabled,
        rl_share=settings.rl_traffic_percentage,
    )

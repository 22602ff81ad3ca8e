"""Symbols: each spelling there and back, and nothing guessed."""

import pytest

from adapters.symbols import COINS, Spelling, spell, understand


@pytest.mark.parametrize("spelling", Spelling)
def test_bitcoin_is_spelled_as_its_example(spelling: Spelling) -> None:
    assert spell("BTC", spelling) == spelling.value


@pytest.mark.parametrize("spelling", Spelling)
@pytest.mark.parametrize("symbol", COINS)
def test_every_spelling_leads_back_to_its_symbol(symbol: str, spelling: Spelling) -> None:
    spelled = spell(symbol, spelling)
    assert spelled is not None
    assert understand(spelled) == symbol


def test_no_two_coins_share_a_spelling() -> None:
    spelled = [spell(symbol, spelling) for symbol in COINS for spelling in Spelling]
    assert len(set(spelled)) == len(spelled)


@pytest.mark.parametrize(
    "unknown", ["", "USDT", "USD", "NOPE", "BTCEUR", "btc", "BTC-USD", "WBTC", "BTCUSDTUSDT", " BTC"]
)
def test_what_is_not_in_the_table_is_nothing(unknown: str) -> None:
    assert understand(unknown) is None
    assert spell(unknown, Spelling.USDT) is None

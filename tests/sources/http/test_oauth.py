from requests import Request

from include.sources.http.oauth import OAuth, Token


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_token_is_fetched_when_it_is_needed_and_again_when_it_ends_or_is_forgotten() -> None:
    fetched: list[Token] = []
    clock = Clock()

    def fetch() -> Token:
        fetched.append(Token(f"token{len(fetched)}", 100.0))
        return fetched[-1]

    auth = OAuth(fetch, clock)
    assert fetched == []

    def sent() -> str:
        return Request("GET", "https://x.example", auth=auth).prepare().headers["Authorization"]

    assert sent() == sent() == "Bearer token0"
    clock.now = 99.9
    assert sent() == "Bearer token0"
    clock.now = 100.0
    assert sent() == "Bearer token1"
    auth.forget()
    assert sent() == "Bearer token2"
    assert "token0" not in repr(fetched[0])

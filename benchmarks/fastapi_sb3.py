"""FastAPI with SB3's `predict`: what most people write first."""

from fastapi import FastAPI
from pydantic import BaseModel, Field

from benchmarks.sb3_answer import Sb3Answer


class SignalData(BaseModel):
    """The five figures of a signal."""

    confidence: float = Field(ge=0, le=1)
    rsi: float = Field(ge=0, le=100)
    change_percent: float
    volume: float = Field(ge=0)
    action: str


class PredictRequest(BaseModel):
    """A signal."""

    user_id: str
    symbol: str
    signal_data: SignalData


app = FastAPI()
_answer = Sb3Answer()


@app.post("/api/v1/predict")
async def predict(request: PredictRequest) -> dict[str, object]:
    """The decision for one signal."""
    return _answer.answer(request.signal_data.confidence, request.signal_data.rsi)

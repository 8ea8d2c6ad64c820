"""What a checker tells somebody who writes middleware."""

from __future__ import annotations

from hermes import (
    Admission,
    Failed,
    Failure,
    Inbound,
    Middleware,
    ModelRequest,
    ModelResponse,
    Next,
    Stage,
    ToolCall,
    ToolResult,
    Turn,
    TurnResult,
)


class Good(Middleware):
    stage = Stage.RETRY

    async def turn(self, turn: Turn, call_next: Next[Turn, TurnResult]) -> TurnResult:
        reveal_type(turn.input.text)  # R: str
        result = await call_next(turn)
        reveal_type(result)  # R: hermes.turn.TurnResult
        reveal_type(result.failure)  # R: hermes.errors.Failure | None
        return result

    async def model(
        self, request: ModelRequest, call_next: Next[ModelRequest, ModelResponse]
    ) -> ModelResponse:
        if request.committed:
            raise Failed(Failure("rate_limit", "Too many.", "good"))
        reveal_type(request.replace(model="a:b"))  # R: hermes.provider.ModelRequest
        return await call_next(request.again("once more"))

    async def tool(self, call: ToolCall, call_next: Next[ToolCall, ToolResult]) -> ToolResult:
        return await call_next(call.granted("good"))


class Wrong(Middleware):
    stage = 10  # E: Incompatible types in assignment

    async def turn(self, turn: Turn) -> TurnResult:  # E: incompatible with supertype
        return TurnResult("ok")

    async def model(  # E: Return type "Coroutine[Any, Any, str]"
        self, request: ModelRequest, call_next: Next[ModelRequest, ModelResponse]
    ) -> str:
        return (await call_next(request)).text

    async def tool(
        self,
        call: ModelRequest,  # E: Argument 1 of "tool" is incompatible with supertype
        call_next: Next[ToolCall, ToolResult],
    ) -> ToolResult:
        return await call_next(call)  # E: incompatible type "ModelRequest"; expected "ToolCall"

    def receive(  # E: incompatible with return type
        self, inbound: Inbound, call_next: Next[Inbound, Admission]
    ) -> Admission:
        return call_next(inbound)  # E: Incompatible return value type

    async def deliver(self, outgoing, call_next):  # E: missing a type annotation
        return ()


Failure("rate-limit", "Too many.", "wrong")  # E: incompatible type "Literal['rate-limit']"

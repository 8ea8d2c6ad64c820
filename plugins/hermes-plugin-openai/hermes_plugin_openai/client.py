"""The one module that imports the SDK: an HTTP client whose every expected failure is a `Failed`.

The SDK brings the connection pool, authentication, timeouts, the reading of event streams and its
exceptions. Requests go through its `post`, as bytes, and chunks come back as plain dicts: its
typed methods walk all messages and build a model of each chunk, which costs more than the rest.
"""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Callable
from typing import Any, NoReturn

import httpx2
import openai
from openai import AsyncOpenAI, AsyncStream

from hermes import Failed, Failure, one_line
from hermes_plugin_openai import network
from hermes_plugin_openai.failures import failed_in_stream, refused
from hermes_plugin_openai.settings import OpenAISettings

BEARER: Any = {"security": {"bearer_auth": True}}
UNUSABLE = (httpx2.RequestError, httpx2.InvalidURL, httpx2.StreamError, ssl.SSLError, OSError)
"""What can leave the SDK although it means to wrap it (while it reads the body of an error)."""


class Client:
    """One endpoint. Made once per process: pool and TLS context live in it."""

    def __init__(
        self,
        settings: OpenAISettings,
        *,
        base_url: str,
        api_key: str,
        host: str,
        source: str,
        redact: Callable[[str], str],
    ) -> None:
        self._settings = settings
        self._host = host
        self._source = source
        self._redact = redact
        self._sdk = AsyncOpenAI(
            # Empty is an error of the SDK's; a local server looks at none.
            api_key=api_key or "none",
            base_url=base_url,
            organization=settings.organization or None,
            project=settings.project or None,
            http_client=network.Client(),
            max_retries=0,  # retrying is one plugin's job
            timeout=openai.Timeout(settings.timeout, connect=settings.connect_timeout),
            default_headers=settings.extra_headers or None,
        )

    async def chat(self, body: bytes, feed: Callable[[Any], None]) -> None:
        """Make a streaming call and give each chunk to *feed*. Raises `Failed`."""
        try:
            stream = await self._sdk.post(
                "/chat/completions",
                content=body,
                cast_to=object,
                stream=True,
                stream_cls=AsyncStream[object],
                options=BEARER,
            )
        except (openai.OpenAIError, *UNUSABLE) as error:
            self._fail(error, began=False)
        try:
            if _is_stream(stream.response):
                await self._read(stream, feed)
            else:
                await self._read_whole(stream.response, feed)
        finally:
            await stream.close()

    async def _read(self, stream: AsyncStream[object], feed: Callable[[Any], None]) -> None:
        while True:
            try:
                chunk = await anext(stream)
            except StopAsyncIteration:
                return
            except openai.APIConnectionError as error:
                self._fail(error, began=True)
            except openai.APIError as error:  # an error as an event of the stream
                self._fail_in_stream(error.body or error.message, stream.response)
            except ValueError as error:
                self._fail_unreadable(error)
            except UNUSABLE as error:
                self._fail(error, began=True)
            try:
                feed(chunk)
            except ValueError as error:
                self._fail_unreadable(error)

    async def _read_whole(self, response: httpx2.Response, feed: Callable[[Any], None]) -> None:
        """Read what came instead of a stream: an error, a whole answer, somebody's web page."""
        try:
            await response.aread()
            body = response.json()
        except ValueError:
            text = response.text[:200].split("\n")[0].strip()
            self._fail_with(
                "bad_request",
                f"{self._host} answered with {_content_type(response)} instead of a stream"
                f" ({text}): does openai.base_url end as the vendor says, often in /v1?",
                200,
            )
        except UNUSABLE as error:
            self._fail(error, began=True)
        said = body.get("error") if isinstance(body, dict) else body
        if said or not body.get("choices"):
            self._fail_in_stream(said or body, response)
        feed(body)

    async def models(self) -> list[dict[str, Any]]:
        """List the models as the endpoint describes them. Raises `Failed`."""
        try:
            answer = await self._sdk.get("/models", cast_to=object, options=BEARER)
        except openai.NotFoundError:
            return []
        except (openai.OpenAIError, *UNUSABLE) as error:
            self._fail(error, began=False)
        except ValueError as error:
            self._fail_unreadable(error)
        listed = answer.get("data") if isinstance(answer, dict) else answer
        return (
            [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
        )

    async def close(self) -> None:
        await self._sdk.close()

    def _fail(self, error: Exception, *, began: bool) -> NoReturn:
        """Raise `Failed` for what the SDK or its HTTP library raised."""
        if isinstance(error, openai.APIStatusError):
            failure = refused(
                error.status_code,
                error.body,
                error.response.headers,
                host=self._host,
                source=self._source,
            )
            raise Failed(self._shown(failure)) from error
        if isinstance(error, openai.APITimeoutError):
            cause = error.__cause__
            connecting = isinstance(cause, (httpx2.ConnectTimeout, httpx2.PoolTimeout))
            seconds = self._settings.connect_timeout if connecting else self._settings.timeout
            what = "could not be reached within" if connecting else "said nothing for"
            self._fail_with("timeout", f"{self._host} {what} {seconds:g} s.", cause=error)
        if isinstance(error, openai.APIResponseValidationError):
            self._fail_unreadable(error)
        cause = error.__cause__ or error
        if _is_certificate(cause):
            said = f"The certificate of {self._host} is not trusted: {one_line(cause)}"
            self._fail_with("bad_request", said, cause=error)
        if isinstance(cause, (httpx2.UnsupportedProtocol, httpx2.InvalidURL)):
            said = f"openai.base_url is no usable address: {one_line(cause)}"
            self._fail_with("bad_request", said, cause=error)
        if began:
            said = f"{self._host} cut the answer short: {one_line(cause)}"
        else:
            said = f"The endpoint {self._host} is down or out of reach: {_reason(cause)}"
        self._fail_with("transient", said, cause=error)

    def _fail_in_stream(self, body: Any, response: httpx2.Response) -> NoReturn:
        failure = failed_in_stream(body, response.headers, host=self._host, source=self._source)
        raise Failed(self._shown(failure))

    def _fail_unreadable(self, error: Exception) -> NoReturn:
        said = f"{self._host} sent something that cannot be read: {one_line(error)}"
        self._fail_with("transient", said, cause=error)

    def _fail_with(
        self, kind: Any, message: str, status: int | None = None, cause: Exception | None = None
    ) -> NoReturn:
        raise Failed(self._shown(Failure(kind, message, self._source, status))) from cause

    def _shown(self, failure: Failure) -> Failure:
        shown = self._redact(failure.message)
        return Failure(failure.kind, shown, failure.source, failure.status, failure.retry_after)


def _content_type(response: httpx2.Response) -> str:
    return str(response.headers.get("content-type", "")).partition(";")[0].strip().lower()


def _is_stream(response: httpx2.Response) -> bool:
    """Take anything for a stream that does not say to be something else: not all say it rightly."""
    kind = _content_type(response)
    return not ("json" in kind or "html" in kind)


def _is_certificate(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError) or "CERTIFICATE_VERIFY" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def _reason(error: BaseException) -> str:
    """Say why there is no connection: the system's own words, which lie deep below."""
    seen: list[BaseException] = []
    deepest: BaseException | None = error
    while deepest is not None and deepest not in seen:
        seen.append(deepest)
        if isinstance(deepest, socket.gaierror):
            return f"its name cannot be looked up ({(deepest.strerror or '').lower()})"
        if isinstance(deepest, OSError) and deepest.errno:
            return os.strerror(deepest.errno).lower()  # asyncio says "connect call failed"
        deepest = deepest.__cause__ or deepest.__context__
    return one_line(error)

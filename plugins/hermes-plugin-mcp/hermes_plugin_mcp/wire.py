"""Between the protocol's types and ours. What a server says is data from outside (§10)."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from mcp_types import (
    AudioContent,
    BlobResourceContents,
    CallToolResult,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
    Tool as McpTool,
)

from hermes import Image, ToolResult, clean
from hermes_plugin_mcp.definitions import Definition


def definition(tool: McpTool) -> Definition:
    """Keep of a tool what the model and a policy need."""
    hints = tool.annotations
    schema = tool.input_schema if tool.input_schema.get("type") == "object" else {}
    return Definition(
        tool.name,
        tool.description or tool.title or "",
        msgspec.json.encode({"type": "object", "properties": {}, **schema}).decode(),
        *(
            (hints.read_only_hint, hints.destructive_hint, hints.idempotent_hint)
            if hints
            else (None, None, None)
        ),
        hints.open_world_hint if hints else None,
    )


def sendable(value: Any) -> Any:
    """Clean texts that have no UTF-8 form: one would break the connection, not the call."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean(str(key)): sendable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [sendable(item) for item in value]
    return value


def tool_result(result: CallToolResult, source: str) -> ToolResult:
    """Make the result that the model gets. Nothing is cut: the kernel keeps long ones whole."""
    texts: list[str] = []
    images: list[Image] = []
    for block in result.content:
        if isinstance(block, ImageContent):
            images.append(Image(block.mime_type, block.data))
        else:
            texts.append(_text(block))
    if result.structured_content is not None and not _says(texts, result.structured_content):
        texts.append(json.dumps(result.structured_content, ensure_ascii=False))
    text = clean("\n".join(texts))
    if not text and not images:
        text = "The tool failed and said nothing." if result.is_error else "Done; it said nothing."
    return ToolResult(text, bool(result.is_error), tuple(images), source)


def _says(texts: list[str], structured: Any) -> bool:
    """Whether a text is the structured content already: servers repeat it for older clients."""
    for text in texts:
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        # The Python SDK wraps what is no object into {"result": …}.
        if value == structured or {"result": value} == structured:
            return True
    return False


def _text(block: ContentBlock) -> str:
    if isinstance(block, TextContent):
        return block.text
    if isinstance(block, ResourceLink):
        about = f" ({block.description})" if block.description else ""
        return f"[resource {block.name}: {block.uri}{about}]"
    if isinstance(block, EmbeddedResource):
        resource = block.resource
        if isinstance(resource, BlobResourceContents):
            size = len(resource.blob) * 3 // 4
            return f"[{resource.uri}: {resource.mime_type or 'binary'}, {size} bytes, not shown]"
        return f"[{resource.uri}]\n{resource.text}"
    if isinstance(block, AudioContent):
        return f"[audio, {block.mime_type}, {len(block.data) * 3 // 4} bytes, not shown]"
    return f"[{block.type}, not shown]"

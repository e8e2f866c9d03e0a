/** The revisions of MCP that the gateway speaks. */

/** Revisions with an `initialize` handshake, newest first. */
export const handshakeRevisions = ["2025-11-25", "2025-06-18", "2025-03-26"] as const

/** Revisions whose every request carries its own metadata, newest first. */
export const statelessRevisions = ["2026-07-28"] as const

/** All of them, newest first. */
export const mcpRevisions = [...statelessRevisions, ...handshakeRevisions] as const

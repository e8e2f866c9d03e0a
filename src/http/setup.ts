import { Schema } from "effect"
import type { Language } from "../domain/Language.ts"
import { GrantShown } from "../tools/getSession.ts"
import type { ToolListing } from "../tools/Tools.ts"
import { agentsMd } from "./setup/agentsMd.ts"
import { Clients, clients, codexTokenCommand, codexTokenTable } from "./setup/clients.ts"

/** All that is needed to connect a client. It never holds the token itself, only where to put it. */
export const SetupPacket = Schema.Struct({
  mcp_endpoint: Schema.String,
  headers: Schema.Record(Schema.String, Schema.String),
  codex_config_toml: Schema.String,
  codex_add_command: Schema.String,
  clients: Clients,
  agents_md: Schema.String,
  tools: Schema.Array(
    Schema.Struct({ name: Schema.String, title: Schema.String, description: Schema.String })
  ),
  grants: Schema.Array(GrantShown)
}).annotate({ identifier: "SetupPacket" })
export type SetupPacket = typeof SetupPacket.Type

/** The query of whatever answers a setup packet: in which language its words for people and agents are. */
export const setupQuery = {
  lang: Schema.optionalKey(
    Schema.Literals(["en", "ru"]).annotate({
      message: "Expected en or ru",
      description: "The language of agents_md and of what a person does next; en where left out."
    })
  )
}

/** A setup packet for an agent that is granted this and may use these tools. */
export const setupPacket = (
  publicUrl: string,
  tools: ReadonlyArray<ToolListing>,
  grants: SetupPacket["grants"],
  language: Language = "en"
): SetupPacket => {
  const endpoint = `${publicUrl}/mcp`
  return {
    mcp_endpoint: endpoint,
    headers: { Authorization: "Bearer <AGENT_TOKEN>" },
    codex_config_toml: codexTokenTable(endpoint),
    codex_add_command: codexTokenCommand(endpoint),
    clients: clients(endpoint, language),
    agents_md: agentsMd[language],
    tools: tools.map(({ description, name, title }) => ({ name, title, description: oneLine(description) })),
    grants
  }
}

/** A tool's first sentence says what it does; the rest is for the model that calls it. */
const oneLine = (description: string): string => description.replace(/(?<=\.) .*$/s, "")

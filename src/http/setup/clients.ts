import { Schema } from "effect"
import type { Language } from "../../domain/Language.ts"
import { shellWord } from "../shellWord.ts"
import { type NextSteps, nextSteps } from "./nextSteps.ts"

/**
 * How each client is told of the gateway, in the form that its own documentation gives: `codex mcp` and
 * `config.toml` (developers.openai.com, MCP), `claude mcp` and `.mcp.json` (code.claude.com, MCP),
 * `.cursor/mcp.json` (cursor.com, MCP), `.vscode/mcp.json` (code.visualstudio.com, MCP configuration
 * reference). Each in two ways: with a login, where nobody handles a token, and with an agent token.
 */

const Way = Schema.Struct({
  commands: Schema.Array(Schema.String).annotate({
    description: "For a POSIX shell, in this order. Empty: the client has none, take the files."
  }),
  files: Schema.Array(
    Schema.Struct({
      path: Schema.String.annotate({
        description: "From the user's home with ~/, else from the project's folder."
      }),
      text: Schema.String
    })
  ).annotate({ description: "The same by hand. What such a file holds already stays: this is added." }),
  token_variable: Schema.NullOr(Schema.String).annotate({
    description: "The variable of the client's environment that has to hold the token; null: none."
  }),
  next: Schema.String.annotate({ description: "What a person does then." })
})
type Way = typeof Way.Type

const Client = Schema.Struct({ login: Way, token: Way })

export const Clients = Schema.Struct({ codex: Client, claude_code: Client, cursor: Client, vscode: Client })
type Clients = typeof Clients.Type

/** Where clients are told to look for the token. */
export const tokenVariable = "NODEDC_TASKER_AGENT_TOKEN"

export const clients = (endpoint: string, language: Language): Clients => {
  const next = nextSteps[language]
  return {
    codex: { login: codexLogin(endpoint, next), token: codexToken(endpoint, next) },
    claude_code: { login: claudeLogin(endpoint, next), token: claudeToken(endpoint, next) },
    cursor: { login: cursorLogin(endpoint, next), token: cursorToken(endpoint, next) },
    vscode: { login: vscodeLogin(endpoint, next), token: vscodeToken(endpoint, next) }
  }
}

const way = (parts: Pick<Way, "next"> & Partial<Way>): Way => ({
  commands: [],
  files: [],
  token_variable: null,
  ...parts
})

const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`

/**
 * Without `required`, a Codex that can't log in, or whose variable is unset, runs without the server and
 * says nothing. 60 seconds are more than the gateway takes for a call at its longest.
 */
const codexTable = (endpoint: string, credential: string): string => `[mcp_servers.tasker]
url = ${JSON.stringify(endpoint)}
${credential}required = true
startup_timeout_sec = 20
tool_timeout_sec = 60
`

export const codexTokenTable = (endpoint: string): string =>
  `# export ${tokenVariable}=<AGENT_TOKEN>\n${codexTable(endpoint, `bearer_token_env_var = "${tokenVariable}"\n`)}`

export const codexTokenCommand = (endpoint: string): string =>
  `codex mcp add tasker --url ${shellWord(endpoint)} --bearer-token-env-var ${tokenVariable}`

const codexConfig = "~/.codex/config.toml"

/** Codex begins the login by itself where it finds the gateway's metadata. */
const codexLogin = (endpoint: string, next: NextSteps): Way =>
  way({
    commands: [`codex mcp add tasker --url ${shellWord(endpoint)}`],
    files: [{ path: codexConfig, text: codexTable(endpoint, "") }],
    next: next.codexLogin
  })

const codexToken = (endpoint: string, next: NextSteps): Way =>
  way({
    commands: [codexTokenCommand(endpoint)],
    files: [{ path: codexConfig, text: codexTokenTable(endpoint) }],
    token_variable: tokenVariable,
    next: next.codexToken
  })

const claudeLogin = (endpoint: string, next: NextSteps): Way =>
  way({
    commands: [`claude mcp add --transport http --scope user tasker ${shellWord(endpoint)}`],
    files: [{ path: ".mcp.json", text: json({ mcpServers: { tasker: { type: "http", url: endpoint } } }) }],
    next: next.claudeLogin
  })

/**
 * The header is Claude Code's to expand, and it does so whichever of its files it stands in: the token is in
 * none of them and in no shell's history. `--header` takes all words after it, so it comes last.
 */
const claudeToken = (endpoint: string, next: NextSteps): Way => {
  const bearer = `Bearer \${${tokenVariable}}`
  return way({
    commands: [
      `claude mcp add --transport http --scope user tasker ${shellWord(endpoint)} --header ${shellWord(`Authorization: ${bearer}`)}`
    ],
    files: [
      {
        path: ".mcp.json",
        text: json({
          mcpServers: { tasker: { type: "http", url: endpoint, headers: { Authorization: bearer } } }
        })
      }
    ],
    token_variable: tokenVariable,
    next: next.claudeToken
  })
}

const cursorConfig = ".cursor/mcp.json"

const cursorLogin = (endpoint: string, next: NextSteps): Way =>
  way({
    files: [{ path: cursorConfig, text: json({ mcpServers: { tasker: { url: endpoint } } }) }],
    next: next.cursorLogin
  })

const cursorToken = (endpoint: string, next: NextSteps): Way =>
  way({
    files: [
      {
        path: cursorConfig,
        text: json({
          mcpServers: {
            tasker: { url: endpoint, headers: { Authorization: `Bearer \${env:${tokenVariable}}` } }
          }
        })
      }
    ],
    token_variable: tokenVariable,
    next: next.cursorToken
  })

const vscodeConfig = ".vscode/mcp.json"

const vscodeLogin = (endpoint: string, next: NextSteps): Way =>
  way({
    commands: [
      `code --add-mcp ${shellWord(JSON.stringify({ name: "tasker", type: "http", url: endpoint }))}`
    ],
    files: [{ path: vscodeConfig, text: json({ servers: { tasker: { type: "http", url: endpoint } } }) }],
    next: next.vscodeLogin
  })

/** `promptString` with `password`: VS Code asks once and keeps the answer in its store of secrets. */
const vscodeToken = (endpoint: string, next: NextSteps): Way => {
  const id = "tasker-token"
  return way({
    files: [
      {
        path: vscodeConfig,
        text: json({
          inputs: [{ type: "promptString", id, description: next.tokenPrompt, password: true }],
          servers: {
            tasker: {
              type: "http",
              url: endpoint,
              headers: { Authorization: `Bearer \${input:${id}}` }
            }
          }
        })
      }
    ],
    next: next.vscodeToken
  })
}

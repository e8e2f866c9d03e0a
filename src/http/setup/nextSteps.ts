import type { Language } from "../../domain/Language.ts"

/** What a person does once a client's command has run or its file stands, in a sentence or two. */
export interface NextSteps {
  readonly codexLogin: string
  readonly codexToken: string
  readonly claudeLogin: string
  readonly claudeToken: string
  readonly cursorLogin: string
  readonly cursorToken: string
  readonly vscodeLogin: string
  readonly vscodeToken: string
  /** What VS Code asks with. */
  readonly tokenPrompt: string
}

export const nextSteps: Readonly<Record<Language, NextSteps>> = {
  en: {
    codexLogin:
      "A browser opens: type the code from Tasker there. With the file, or where no browser opens: codex mcp login tasker, on a machine without one with --no-browser.",
    codexToken:
      "Set the variable in the shell that Codex starts from. Only the file makes Codex say so when it is unset.",
    claudeLogin:
      "In Claude Code type /mcp, choose tasker and authenticate: a browser opens, type the code from Tasker there. Or: claude mcp login tasker, on a machine without a browser with --no-browser. If the page does not know the program, the gateway's operator adds claude.ai to OAUTH_CIMD_HOSTS.",
    claudeToken: "Set the variable in the shell that Claude Code starts from: it says so when it is unset.",
    cursorLogin:
      "In Cursor's settings, under MCP, connect tasker: a browser opens, type the code from Tasker there.",
    cursorToken:
      "Set the variable in the environment that Cursor starts from. A version that opens the login all the same wants the login instead.",
    vscodeLogin:
      "Start tasker with MCP: List Servers and allow the login: a browser opens, type the code from Tasker there. If the page does not know the program, the gateway's operator adds vscode.dev to OAUTH_CIMD_HOSTS.",
    vscodeToken: "Start tasker with MCP: List Servers: VS Code asks for the token once and keeps it.",
    tokenPrompt: "Tasker agent token"
  },
  ru: {
    codexLogin:
      "Откроется браузер: введите там код из Tasker. Если браузер не открылся или вы правили файл: codex mcp login tasker, на машине без браузера с --no-browser.",
    codexToken:
      "Задайте переменную в оболочке, из которой запускается Codex. Если её нет, Codex скажет об этом, только когда настройка взята из файла.",
    claudeLogin:
      "В Claude Code наберите /mcp, выберите tasker и пройдите вход: откроется браузер, введите там код из Tasker. Или: claude mcp login tasker, на машине без браузера с --no-browser. Если страница не знает программу, оператор шлюза добавляет claude.ai в OAUTH_CIMD_HOSTS.",
    claudeToken:
      "Задайте переменную в оболочке, из которой запускается Claude Code: если её нет, он об этом скажет.",
    cursorLogin:
      "В настройках Cursor, в разделе MCP, подключите tasker: откроется браузер, введите там код из Tasker.",
    cursorToken:
      "Задайте переменную в окружении, из которого запускается Cursor. Если ваша версия всё равно открывает вход, подключитесь через вход.",
    vscodeLogin:
      "Запустите tasker командой MCP: List Servers и разрешите вход: откроется браузер, введите там код из Tasker. Если страница не знает программу, оператор шлюза добавляет vscode.dev в OAUTH_CIMD_HOSTS.",
    vscodeToken:
      "Запустите tasker командой MCP: List Servers: VS Code один раз спросит токен и сохранит его.",
    tokenPrompt: "Токен агента Tasker"
  }
}

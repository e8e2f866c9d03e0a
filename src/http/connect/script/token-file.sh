
# --- The token in a file of its own, where there is no Codex ---

# XDG Base Directory Specification: a path that is not absolute is not believed.
find_token_file() {
  case ${XDG_CONFIG_HOME:-} in
    /*) own=$XDG_CONFIG_HOME/tasker-agent ;;
    *)
      [ -n "${HOME:-}" ] || fail "$exit_failed" "HOME is not set: there is no place to keep anything." "HOME не задан: сохранить нечего и некуда."
      own=$HOME/.config/tasker-agent
      ;;
  esac
  token_file=$own/token
  # Which gateway it is for: no other is shown it. Not in the same file, which is the token and no more.
  token_gateway=$own/gateway
  # Where rules were put, a path a line, so that --remove finds them.
  places=$own/agents-md
}

token_keep() {
  ready "$token_file"
  before=
  if [ -e "$token_file" ]; then before=yes; fi
  begin "$token_file"
  printf '%s\n' "$token" >"$scratch" || unwritten "$token_file"
  [ "$(cat "$scratch")" = "$token" ] || unwritten "$token_file"
  # In between it is for nobody.
  rm -f "$token_gateway" || unwritten "$token_gateway"
  settle "$token_file"
  loose=
  begin "$token_gateway"
  printf '%s\n' "$gateway" >"$scratch" || unwritten "$token_gateway"
  settle "$token_gateway"
  words "No Codex is installed here. The token is in $token_file, which only you can read." \
    "Codex здесь не установлен. Токен сохранён в $token_file, прочитать его можете только вы."
  if [ -n "$before" ]; then
    words "The token that was there before is good until it is revoked in Tasker." "Прежний токен из этого файла действует, пока его не отозвали в Tasker."
  fi
  words "To use it, give your agent the MCP server $gateway/mcp with this header:
  Authorization: Bearer <what that file holds>
When Codex is installed, run this again with a new code." \
    "Чтобы им пользоваться, укажите своему агенту MCP-сервер $gateway/mcp с заголовком:
  Authorization: Bearer <содержимое этого файла>
Когда Codex будет установлен, запустите скрипт ещё раз с новым кодом."
}

token_remove() {
  if [ -e "$token_file" ] || [ -h "$token_file" ]; then
    rm -f "$token_file" "$token_gateway" || fail "$exit_failed" "$token_file could not be removed." "Не удалось удалить $token_file."
    removed=yes
    words "The token was removed: $token_file" "Токен удалён: $token_file"
  fi
}

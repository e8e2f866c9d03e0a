
# --- Codex ---

# Not `required`: a gateway that is out would keep Codex from starting at all, whatever it is to do. The price is
# that a Codex whose token was revoked goes on without these tools; `codex mcp list` shows the server.

# Where Codex keeps its configuration, or nothing where there is no Codex: one in an editor has no command,
# but a file.
find_codex() {
  codex=
  if [ -n "${CODEX_HOME:-}" ]; then
    config=$CODEX_HOME/config.toml
  elif [ -n "${HOME:-}" ]; then
    config=$HOME/.codex/config.toml
  else
    return 0
  fi
  case $config in /*) ;; *) config=$PWD/$config ;; esac
  if command -v codex >/dev/null 2>&1 || [ -e "$config" ]; then
    config=$(followed "$config") || exit $?
    codex=yes
  fi
}

look_at_codex() {
  codex_report=none
  if [ -e "$config" ]; then codex_report=$(look "$config"); fi
}

# Ends, with words, where the server can't be put into config.toml without harm to what stands there. Asked
# before the code is used, so that it stays good.
codex_ready() {
  ready "$config"
  look_at_codex
  line=$(field line "$codex_report")
  case $codex_report in
    none* | ours*) ;;
    foreign*)
      complain "Codex knows a server named 'tasker' already, which this script did not put there: line $line of $config. If it is to be replaced, run: codex mcp remove tasker" \
        "У Codex уже есть сервер «tasker», и записал его не этот скрипт: строка $line в $config. Если его нужно заменить, выполните: codex mcp remove tasker"
      yours
      ;;
    inline*)
      complain "In $config mcp_servers is written as one value (line $line), so that no server can be added to it. Write it as tables: [mcp_servers.name]" \
        "В $config mcp_servers записан одним значением (строка $line), добавить сервер к нему нельзя. Запишите его таблицами: [mcp_servers.имя]"
      yours
      ;;
    *)
      complain "$config can't be read as TOML, near line $line. Put it right first." \
        "$config не читается как TOML, около строки $line. Сначала исправьте его."
      yours
      ;;
  esac
}

# Nothing was done for the sake of a file. Where that changed after the code was used, the token is named.
yours() {
  if [ -z "$loose" ]; then
    complain "Nothing was changed here. If you gave a code, it was not used: run this again when that is done." \
      "Здесь ничего не изменено. Если вы указали код, он не использован: запустите скрипт ещё раз после этого."
  fi
  exit "$exit_yours"
}

# The token goes into http_headers: Codex runs without a server, and says nothing, where a variable that
# bearer_token_env_var names is unset, and this script can't set one in the shell that it came from.
# (No here-document: some shells put one into a temporary file.)
codex_block() {
  printf '%s\n' "# [tasker-connect] Put here by $gateway/connect.$1" \
    "# To take it out: curl -fsS '$gateway/connect' | sh -s -- --remove" \
    '[mcp_servers.tasker]' \
    "url = \"$gateway/mcp\"" \
    "http_headers = { Authorization = \"Bearer $token\" }" \
    'startup_timeout_sec = 20' \
    'tool_timeout_sec = 60'
}

# The file with the server added at its end.
with_server() {
  if [ -e "$config" ]; then cat "$config" || return 1; fi
  if [ -e "$config" ] && is_unended "$config"; then echo; fi
  codex_block "$(origin "$config")" | sed "s/\$/$cr/"
}

# The file with the address and the token exchanged, all else as it stands, what the owner added included.
with_token() {
  url_line=$(field url "$codex_report")
  auth_line=$(field auth "$codex_report")
  auth="Authorization = \"Bearer $token\""
  if [ "$(field inline "$codex_report")" = yes ]; then auth="http_headers = { $auth }"; fi
  # Of the two lines either may come first.
  if [ "$url_line" -lt "$auth_line" ]; then
    one=$url_line one_text="url = \"$gateway/mcp\"" two=$auth_line two_text=$auth
  else
    one=$auth_line one_text=$auth two=$url_line two_text="url = \"$gateway/mcp\""
  fi
  lines "$config" 1 "$((one - 1))" && printf '%s%s\n' "$one_text" "$cr" &&
    lines "$config" "$((one + 1))" "$((two - 1))" && printf '%s%s\n' "$two_text" "$cr" &&
    lines "$config" "$((two + 1))" ''
}

# Puts the server with $token into config.toml, at 0600 and all at once.
codex_keep() {
  codex_ready
  cr=
  if [ "$(field crlf "$codex_report")" = yes ]; then cr=$(printf '\r'); fi
  begin "$config"
  case $codex_report in
    ours*) with_token ;;
    *) with_server ;;
  esac >"$scratch" || unwritten "$config"
  # What was written is looked at before it takes the place of what was there.
  case $(look "$scratch") in
    ours*" to=$gateway/mcp "*) ;;
    *) unwritten "$config" ;;
  esac
  settle "$config"
  loose=
  case $codex_report in
    ours*)
      words "Codex: the server 'tasker' has a new token, in $config" "Codex: у сервера «tasker» новый токен, в $config"
      former=$(field to "$codex_report")
      if [ "$former" != "$gateway/mcp" ]; then
        words "It was connected to $former before." "Раньше он был подключён к $former."
      fi
      words "The token before it is good until it is revoked in Tasker." "Прежний токен действует, пока его не отозвали в Tasker."
      ;;
    *) words "Codex: the server 'tasker' was added to $config" "Codex: сервер «tasker» добавлен в $config" ;;
  esac
  words "New sessions of Codex have it. That file now holds a secret: only you can read it." \
    "Он будет в новых сессиях Codex. В этом файле теперь есть секрет, прочитать его можете только вы."
}

# The token in config.toml, or nothing.
codex_token() {
  sed -n "$(field auth "$codex_report")s/.*\"Bearer \\(ndcat_[0-9A-Za-z]*\\)\".*/\\1/p" "$config"
}

# Takes out of config.toml what codex_keep put in; $config without a server of ours is left alone.
codex_remove() {
  case $codex_report in
    ours*) ;;
    foreign*)
      words "Codex: the server 'tasker' in $config was not put there by this script; it stays. To take it out: codex mcp remove tasker" \
        "Codex: сервер «tasker» в $config записал не этот скрипт, он остаётся. Чтобы убрать его: codex mcp remove tasker"
      return 0
      ;;
    broken*)
      complain "$config can't be read as TOML, near line $(field line "$codex_report"); it was left as it is." \
        "$config не читается как TOML, около строки $(field line "$codex_report"); файл оставлен как есть."
      unfinished=yes
      return 0
      ;;
    *) return 0 ;;
  esac
  if [ "$(field grown "$codex_report")" = yes ]; then
    complain "Codex: settings were added to the server 'tasker' in $config. To take it out with them: codex mcp remove tasker" \
      "Codex: к серверу «tasker» в $config добавлены настройки. Чтобы убрать его вместе с ними: codex mcp remove tasker"
    unfinished=yes
    return 0
  fi
  ready "$config"
  removed=yes
  begin "$config"
  first=$(field first "$codex_report")
  last=$(field last "$codex_report")
  sub=$(field sub "$codex_report")
  made=$(field made "$codex_report")
  if [ -z "$sub" ]; then
    without "$config" "$first" "$last" "$made"
  else
    # Codex writes an own table for the headers, a blank line before each table.
    without_both "$first" "$last" "$sub" "$(field sublast "$codex_report")"
  fi >"$scratch" || unwritten "$config"
  case $(look "$scratch") in none*) ;; *) unwritten "$config" ;; esac
  if [ "$made" = file ] && [ ! -s "$scratch" ]; then
    drop
    rm -f "$config" || unwritten "$config"
  else
    settle "$config"
  fi
  words "Codex: the server 'tasker' was taken out of $config" "Codex: сервер «tasker» убран из $config"
}

# without_both FIRST LAST FIRST LAST: the file without these lines and a blank one before each.
without_both() {
  one=$(before_blank "$1")
  two=$(before_blank "$3")
  if [ "$3" -gt "$2" ]; then
    lines "$config" 1 "$((one - 1))" && lines "$config" "$(($2 + 1))" "$((two - 1))" && lines "$config" "$(($4 + 1))" ''
  else
    lines "$config" 1 "$((two - 1))" && lines "$config" "$(($4 + 1))" "$((one - 1))" && lines "$config" "$(($2 + 1))" ''
  fi
}

# before_blank LINE: the line before it, where that is blank.
before_blank() {
  if [ "$1" -gt 1 ] && [ -z "$(lines "$config" "$(($1 - 1))" "$(($1 - 1))" | tr -d ' \t\r\n')" ]; then
    echo "$(($1 - 1))"
  else
    echo "$1"
  fi
}


# --- What it does ---

connect() {
  if [ -n "$codex" ]; then codex_ready; else ready "$token_file"; fi
  if [ -n "$with_agents_md" ]; then rules_ready "$agents_md"; fi

  if [ -z "$code" ]; then ask_code; fi
  redeem "$code"
  if [ -n "$codex" ]; then codex_keep; else token_keep; fi
  introduce
  if [ -n "$with_agents_md" ]; then
    rules_keep "$token"
  else
    words "
To give agents in a project their rules, in its folder: curl -fsS '$gateway/connect' | sh -s -- --agents-md" \
      "
Чтобы дать агентам проекта правила, в его папке: curl -fsS '$gateway/connect' | sh -s -- --agents-md"
  fi
  words "To undo all this: curl -fsS '$gateway/connect' | sh -s -- --remove" \
    "Чтобы отменить всё это: curl -fsS '$gateway/connect' | sh -s -- --remove"
}

# Asks who the token makes this machine, and says it.
introduce() {
  reach_as "$token" /api/v1/agent-session
  if [ "$got" -ne 0 ]; then
    fail "$exit_away" "The token is kept, but the gateway did not answer when it was tried." "Токен сохранён, но при проверке шлюз не ответил."
  fi
  [ "$status" = 200 ] || refused
  agent=$(said agent.display_name)
  owner=$(said owner.email)
  projects=$(said 'grants.#')
  words "
Connected to $gateway
  agent:    $agent
  owner:    $owner
  projects: $projects
  token:    $token_name" \
    "
Подключено к $gateway
  агент:    $agent
  владелец: $owner
  проектов: $projects
  токен:    $token_name"
}

# Asks the person at the terminal; the script itself may be what stands on standard input.
ask_code() {
  if ! (: </dev/tty >/dev/tty) 2>/dev/null; then
    fail "$exit_usage" "Give the code that Tasker shows: curl -fsS '$gateway/connect' | sh -s -- XXXX-XXXX-XXXX" \
      "Укажите код, который показывает Tasker: curl -fsS '$gateway/connect' | sh -s -- XXXX-XXXX-XXXX"
  fi
  words "The code that Tasker shows (XXXX-XXXX-XXXX):" "Код, который показывает Tasker (XXXX-XXXX-XXXX):" >/dev/tty
  IFS= read -r typed </dev/tty || typed=
  take_code "$typed"
}

take_code() {
  code=$(spelled "$1")
  [ -n "$code" ] || fail "$exit_usage" "That is not a pairing code: it is twelve letters, such as BCDF-GHJK-LMNP." \
    "Это не код подключения: в нём двенадцать латинских букв, например BCDF-GHJK-LMNP."
}

# Finds the token of the connection that is there already, if it is one to this gateway.
present_token() {
  token=
  if [ -n "$codex" ]; then
    look_at_codex
    case $codex_report in ours*" to=$gateway/mcp "*) token=$(codex_token) ;; esac
  fi
  if [ -z "$token" ] && [ -r "$token_file" ] && grep -Fqx -e "$gateway" "$token_gateway" 2>/dev/null; then
    token=$(head -n 1 "$token_file")
  fi
  is_token "$token" || token=
}

remove() {
  removed=
  unfinished=
  token_name=
  present_token
  # Which token it is, is worth a try before it is gone; without an answer it goes all the same.
  if [ -n "$token" ]; then
    reach_as "$token" /api/v1/agent-session 2>/dev/null
    if [ "$status" = 200 ]; then token_name=$(said token.name); fi
  fi
  if [ -n "$codex" ]; then
    look_at_codex
    codex_remove
  fi
  token_remove
  rules_remove_all "$agents_md"
  if [ -n "$removed" ]; then
    words "The token itself is good until you revoke it in Tasker, among the agent's tokens.${token_name:+ It is called: $token_name}" \
      "Сам токен действует, пока вы не отзовёте его в Tasker, среди токенов агента.${token_name:+ Он называется: $token_name}"
  elif [ -z "$unfinished" ]; then
    words "There is nothing here that this script put in." "Здесь нет ничего, что записал этот скрипт."
  fi
  if [ -n "$unfinished" ]; then exit "$exit_yours"; fi
}

main() {
  usual=$(umask)
  umask 077
  trap leave EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM

  code=
  removing=
  with_agents_md=
  agents_md=AGENTS.md
  while [ $# -gt 0 ]; do
    case $1 in
      -h | --help)
        help
        return 0
        ;;
      --remove) removing=yes ;;
      --agents-md)
        with_agents_md=yes
        case ${2:-} in
          '' | -*) ;;
          *) if [ -z "$(spelled "$2")" ]; then
            agents_md=$2
            shift
          fi ;;
        esac
        ;;
      --agents-md=?*)
        with_agents_md=yes
        agents_md=${1#*=}
        ;;
      -*) fail "$exit_usage" "There is no option $1; --help lists all there are." "Параметра $1 нет, --help покажет все." ;;
      *)
        [ -z "$code" ] || fail "$exit_usage" "One code is enough." "Достаточно одного кода."
        take_code "$1"
        ;;
    esac
    shift
  done

  # A printf that is a program of its own would show in ps what it prints.
  [ "$(command -v printf)" = printf ] || fail "$exit_failed" "This shell has no printf of its own. Run it by bash or dash instead of sh." \
    "В этой оболочке нет встроенного printf. Запустите скрипт через bash или dash вместо sh."
  command -v curl >/dev/null 2>&1 || fail "$exit_failed" "curl is not installed." "Не установлен curl."
  find_token_file
  find_codex

  if [ -n "$removing" ]; then
    [ -z "$code" ] || fail "$exit_usage" "--remove takes no code." "Для --remove код не нужен."
    remove
    return 0
  fi
  if [ -z "$code" ] && [ -n "$with_agents_md" ]; then
    present_token
    if [ -n "$token" ]; then
      rules_ready "$agents_md"
      rules_keep "$token"
      return 0
    fi
  fi
  connect
}

# One command, which the shell runs only once it has read the brace that ends it.
{ main "$@" </dev/null; exit; }

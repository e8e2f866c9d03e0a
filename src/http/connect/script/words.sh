
# --- What is said, in English or Russian ---

# POSIX, Base Definitions 8.2: the first of these that is set and not empty.
speaks_russian() {
  case ${LC_ALL:-${LC_MESSAGES:-${LANG:-}}} in
    *.[Kk][Oo][Ii]8* | *.[Ii][Ss][Oo]* | *.[Cc][Pp]*) return 1 ;;
    ru | ru[_.@]*) return 0 ;;
    *) return 1 ;;
  esac
}

# words ENGLISH RUSSIAN
words() {
  if speaks_russian; then printf '%s\n' "$2"; else printf '%s\n' "$1"; fi
}

# complain ENGLISH RUSSIAN
complain() {
  words "$@" >&2
}

# fail STATUS ENGLISH RUSSIAN
fail() {
  fail_status=$1
  shift
  complain "$@"
  exit "$fail_status"
}

# Whatever comes, nothing half written stays, and a token that is nowhere kept is named, or said to be possible.
# shellcheck disable=SC2317,SC2329 # a trap calls it
leave() {
  if [ -n "$scratch" ]; then rm -f "$scratch"; fi
  if [ -n "$loose" ]; then
    complain "A token was issued and could not be kept. Revoke it in Tasker, where it is called: $loose" \
      "Токен был выдан, но сохранить его не удалось. Отзовите его в Tasker, он называется: $loose"
  elif [ -n "$asked" ]; then
    complain "It is not known whether the code was used. If Tasker shows it as used, revoke the token that came of it and take a new code." \
      "Неизвестно, использован ли код. Если в Tasker он отмечен как использованный, отзовите токен, который по нему выдан, и возьмите новый код."
  fi
}

help() {
  words "Connects Codex or another agent on this machine to Tasker.

  curl -fsS '$gateway/connect' | sh -s -- [CODE] [OPTIONS]

CODE is the pairing code that Tasker shows, such as BCDF-GHJK-LMNP. Without one you are asked for it.

  --agents-md [FILE]  puts the rules for agents into FILE (AGENTS.md in this folder), between markers.
                      Without CODE it takes the connection that is there already.
  --remove            takes out what this script put in. With --agents-md FILE, out of that file too.
  --help              says this.

Where Codex is installed, the server goes into config.toml under \$CODEX_HOME or ~/.codex. Otherwise the
token is kept under \$XDG_CONFIG_HOME or ~/.config, in tasker-agent/token. Both can be read by you alone.

It ends with 0: done; 1: something on this machine went wrong; 2: wrong arguments; 3: the gateway refused
the code or the token; 4: a file needs your hand, nothing was done; 5: the gateway can't be reached." \
    "Подключает Codex или другого агента на этой машине к Tasker.

  curl -fsS '$gateway/connect' | sh -s -- [КОД] [ПАРАМЕТРЫ]

КОД показывает Tasker, например BCDF-GHJK-LMNP. Если его нет, скрипт спросит.

  --agents-md [ФАЙЛ]  записывает правила для агентов в ФАЙЛ (AGENTS.md в этой папке) между метками.
                      Без КОДА берёт подключение, которое уже есть.
  --remove            убирает то, что записал этот скрипт. С --agents-md ФАЙЛ — и из этого файла.
  --help              показывает эту справку.

Если Codex установлен, сервер записывается в config.toml в \$CODEX_HOME или ~/.codex. Если нет, токен
хранится в \$XDG_CONFIG_HOME или ~/.config, в файле tasker-agent/token. Прочитать их можете только вы.

Код завершения 0: готово; 1: ошибка на этой машине; 2: неверные аргументы; 3: шлюз отказал коду или
токену; 4: файл нужно поправить вам, ничего не сделано; 5: шлюз недоступен."
}

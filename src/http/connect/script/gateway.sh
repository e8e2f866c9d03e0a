
# --- What the gateway is asked ---

# reach INPUT CURL-ARGUMENTS: one request; $got is how curl ended, $status and $body what was answered. No
# redirect is followed: neither a code nor a token is for anybody else. Secrets are INPUT, which goes to curl
# by its standard input: arguments of programs are shown to everyone by ps. (printf is the shell's own; main
# makes sure of that.)
reach() {
  input=$1
  shift
  got=0
  reply=$(printf '%s\n' "$input" | curl --silent --show-error --globoff --no-location --no-include \
    --proto '=http,https' --connect-timeout 8 --max-time 15 --write-out '\n%{http_code}' "$@") || got=$?
  status=${reply##*"$nl"}
  body=${reply%"$nl"*}
}

# reach_as TOKEN PATH
reach_as() {
  reach "header = \"Authorization: Bearer $1\"" --config - "$gateway$2"
}

# What curl ends with where the same request may fare better: 6 and 7 before anything was sent, the others
# perhaps after.
may_pass() {
  case $1 in 5 | 6 | 7 | 16 | 18 | 28 | 35 | 52 | 55 | 56 | 92 | 95 | 96) return 0 ;; *) return 1 ;; esac
}

random_hex() {
  od -An -v -N "$1" -tx1 /dev/urandom | tr -d ' \n'
}

# The code as it is spelled, of whatever was typed: without regard to case and to what parts its letters.
spelled() {
  printf '%s' "$1" | LC_ALL=C sed 's/[^[:alnum:]]//g' | LC_ALL=C tr abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ |
    LC_ALL=C sed -n 's/^\([BCDFGHJKLMNPQRSTVWXZ]\{4\}\)\([BCDFGHJKLMNPQRSTVWXZ]\{4\}\)\([BCDFGHJKLMNPQRSTVWXZ]\{4\}\)$/\1-\2-\3/p'
}

# redeem CODE: sets $token, $token_name and $rules. A reply that got lost is asked for again with the same
# nonce, which the gateway answers for 60 seconds with the token that it gave before.
redeem() {
  nonce=$(random_hex 32)
  case $nonce in
    *[!0-9a-f]*) nonce= ;;
  esac
  [ ${#nonce} -eq 64 ] || fail "$exit_failed" "There is no randomness to be had from /dev/urandom." \
    "Не удалось получить случайные данные из /dev/urandom."
  client=$(uname -n | LC_ALL=C tr -cd 'A-Za-z0-9._-' | cut -c 1-60)
  if [ -n "$codex" ]; then client="Codex, ${client:-unnamed}"; else client="connect, ${client:-unnamed}"; fi

  begun=$(date +%s)
  wait=1
  patience=8
  asked=yes
  while :; do
    reach "{\"code\":\"$1\",\"client_name\":\"$client\",\"nonce\":\"$nonce\"}" \
      --header 'Content-Type: application/json' --data-binary @- "$gateway/api/v1/pairing/redeem"
    case $got in
      0) case $status in 502 | 503 | 504) patience=45 ;; *) break ;; esac ;;
      6 | 7) ;;
      *) if may_pass "$got"; then patience=45; else break; fi ;;
    esac
    [ $(($(date +%s) - begun + wait)) -lt "$patience" ] || break
    complain "No answer from the gateway; asking again." "Шлюз не ответил, спрашиваю ещё раз."
    sleep "$wait"
    if [ "$wait" -lt 8 ]; then wait=$((wait * 2)); fi
  done

  if [ "$got" -ne 0 ] && [ "$patience" -eq 8 ]; then
    asked=
    fail "$exit_away" "The gateway can't be reached. Nothing was done, the code is still good; try again." \
      "Шлюз недоступен. Ничего не сделано, код ещё действует, попробуйте ещё раз."
  fi
  if [ "$got" -ne 0 ]; then
    fail "$exit_away" "The gateway did not answer." "Шлюз не ответил."
  fi
  # A refusal is an answer, but for one that did not look, after a reply got lost. A failure of the gateway, or of
  # what stands before it, may come after the deed.
  case $status/$patience in 429/45) ;; 4*) asked= ;; esac
  [ "$status" = 201 ] || refused
  token=$(said token)
  token_name=$(said token_info.name)
  is_token "$token" || fail "$exit_away" "The gateway's answer is not what was agreed: it holds no token." \
    "Ответ шлюза не такой, как условлено: в нём нет токена."
  loose=${token_name:-$client}
  asked=
}

# ndcat_ and 49 letters and digits: nothing that could end a quoted string.
is_token() {
  case $1 in *"$nl"*) return 1 ;; esac
  printf '%s\n' "$1" | LC_ALL=C grep -q '^ndcat_[0-9A-Za-z]\{49\}$'
}

# Ends with what a problem document (RFC 9457) says, and what can be done about it.
refused() {
  detail=$(said detail)
  problem=$(said code)
  complain "${detail:-The gateway answered $status and nothing that can be read.}" "${detail:-Шлюз ответил $status, и ответ не удалось прочитать.}"
  case $problem in
    pairing.unknown)
      complain "Look at the code in Tasker again, or take a new one there." "Сверьте код с тем, что показывает Tasker, или возьмите там новый."
      exit "$exit_refused"
      ;;
    pairing.agent_disabled)
      complain "Enable the agent in Tasker and run this again: the code stays good for its ten minutes." \
        "Включите агента в Tasker и запустите ещё раз: код действует свои десять минут."
      exit "$exit_refused"
      ;;
    pairing.*)
      complain "This code is not good any more. Take a new one in Tasker; if somebody else may have used this one, revoke its token there." \
        "Этот код больше не действует. Возьмите в Tasker новый; если этот мог использовать кто-то другой, отзовите там его токен."
      exit "$exit_refused"
      ;;
    limit.*)
      complain "Too many tries were made. The code is not used up by that: wait some minutes and run this again." \
        "Слишком много попыток. Код от этого не потрачен: подождите несколько минут и запустите ещё раз."
      exit "$exit_refused"
      ;;
    auth.*)
      complain "The token is not good any more. Connect again with a new code from Tasker." \
        "Токен больше не действует. Подключитесь заново с новым кодом из Tasker."
      exit "$exit_refused"
      ;;
  esac
  case $status in 4*) exit "$exit_refused" ;; esac
  complain "Run this again in a while." "Запустите ещё раз позже."
  exit "$exit_away"
}

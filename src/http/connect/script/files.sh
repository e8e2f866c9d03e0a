
# --- Files ---

# followed PATH: where PATH leads through symbolic links, which are to stay what they are.
followed() {
  path=$1
  links=0
  while [ -h "$path" ]; do
    links=$((links + 1))
    [ "$links" -le 40 ] || fail "$exit_yours" "$1 is a link that leads in a circle." "$1 — ссылка, которая замкнута на себя."
    link=$(readlink "$path")
    case $link in
      /*) path=$link ;;
      *) path=$(dirname "$path")/$link ;;
    esac
  done
  printf '%s\n' "$path"
}

# Whether this user owns a file or folder. One that root writes for somebody else can't be read by him.
is_mine() {
  [ -n "$(find "$1" -prune -user "$(id -u)")" ]
}

# ready FILE: ends, with words, where FILE can't be written here.
ready() {
  if [ -e "$1" ]; then
    [ -f "$1" ] || fail "$exit_yours" "$1 is not a file." "$1 — не файл."
    is_mine "$1" || fail "$exit_yours" "$1 belongs to another user. Run this as that user, without sudo." \
      "$1 принадлежит другому пользователю. Запустите скрипт от его имени, без sudo."
    [ -r "$1" ] || fail "$exit_failed" "$1 can't be read." "Не удалось прочитать $1."
    # Text tools stop at a zero byte, so such a file could not be kept as it is.
    [ "$(LC_ALL=C tr -d '\000' <"$1" | wc -c)" -eq "$(wc -c <"$1")" ] ||
      fail "$exit_yours" "$1 is not a text file." "$1 — не текстовый файл."
  fi
  # Its folder, or where that is to be made.
  folder=$(dirname "$1")
  while [ ! -e "$folder" ] && [ ! -h "$folder" ]; do folder=$(dirname "$folder"); done
  [ -d "$folder" ] || fail "$exit_yours" "$folder is not a folder." "$folder — не папка."
  [ -w "$folder" ] || fail "$exit_failed" "Nothing can be written in $folder." "В папку $folder нельзя записать."
  is_mine "$folder" || [ -e "$1" ] || fail "$exit_yours" "$folder belongs to another user. Run this as that user, without sudo." \
    "Папка $folder принадлежит другому пользователю. Запустите скрипт от его имени, без sudo."
}

# begin FILE: $scratch is a new file beside it, which nobody else can read; makes the folder. -C opens it only if it is new.
begin() {
  mkdir -p "$(dirname "$1")" || unwritten "$1"
  scratch=$(dirname "$1")/.tasker-connect.$(random_hex 8)
  (
    set -C
    : >"$scratch"
  ) 2>/dev/null || {
    scratch=
    unwritten "$1"
  }
}

drop() {
  rm -f "$scratch"
  scratch=
}

# settle FILE: what is in $scratch becomes FILE, all at once.
settle() {
  mv -f "$scratch" "$1" || unwritten "$1"
  scratch=
}

unwritten() {
  fail "$exit_failed" "$1 could not be written; it is as it was." "Не удалось записать $1, файл остался прежним."
}

# like FILE: gives $scratch the permissions of FILE; where there is none yet, those of any new file.
like() {
  if [ -e "$1" ]; then
    cp -p "$1" "$scratch" || unwritten "$1"
  else
    # Without a "who", chmod lets the umask decide (POSIX, chmod).
    (umask "$usual" && chmod '=rw' "$scratch") || unwritten "$1"
  fi
}

# lines FILE FIRST LAST: those lines, byte for byte; LAST may be empty, for all that follow.
lines() {
  if [ -z "$3" ]; then
    tail -n "+$2" "$1"
  elif [ "$3" -ge "$2" ]; then
    tail -n "+$2" "$1" | head -n "$(($3 - $2 + 1))"
  fi
}

# Whether the last line of FILE has no line end.
is_unended() {
  [ -s "$1" ] && [ -n "$(tail -c 1 "$1")" ]
}

# How a block of ours came into FILE, for the line that marks it: what is to be undone besides taking it out.
origin() {
  if [ ! -e "$1" ]; then
    printf ' The file was made for it.'
  elif is_unended "$1"; then
    printf ' The line before had no end.'
  fi
}

# without FILE FIRST LAST ORIGIN: FILE without those lines, as it was before they were put in.
without() {
  if [ "$4" = line ] && [ "$2" -gt 1 ] && [ "$(lines "$1" "$(($3 + 1))" '' | wc -c)" -eq 0 ]; then
    # The command substitution takes off the one line end that was added.
    printf '%s' "$(lines "$1" 1 "$(($2 - 1))")"
  else
    lines "$1" 1 "$(($2 - 1))" && lines "$1" "$(($3 + 1))" ''
  fi
}

# field NAME REPORT: the value of NAME= in a report of one line.
field() {
  case " $2 " in
    *" $1="*)
      rest=" $2 "
      rest=${rest#*" $1="}
      printf '%s' "${rest%% *}"
      ;;
  esac
}

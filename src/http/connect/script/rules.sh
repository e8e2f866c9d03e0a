
# --- The rules for agents, in AGENTS.md ---

rules_begin='<!-- [tasker-connect] begin.'
rules_end='<!-- [tasker-connect] end -->'

# look_at_rules FILE: none; ours first=N last=N made=…; or broken, where the marks are not one pair in order.
# Marks within a fence (CommonMark 4.5) are somebody's example of them.
look_at_rules() {
  begin_mark=$rules_begin end_mark=$rules_end LC_ALL=C awk '
    { line = $0; sub(/\r$/, "", line) }
    !inside && match(line, /^ ? ? ?(```+|~~~+)/) {
      s = line
      sub(/^ +/, "", s)
      c = substr(s, 1, 1)
      match(s, c == "`" ? "^`+" : "^~+")
      if (fence == "") { fence = c; width = RLENGTH; next }
      if (fence == c && RLENGTH >= width && substr(s, RLENGTH + 1) ~ /^[ \t]*$/) fence = ""
      next
    }
    fence != "" { next }
    index(line, ENVIRON["begin_mark"]) == 1 {
      begins++
      inside = 1
      first = NR
      made = line ~ /The file was made for it/ ? "file" : line ~ /The line before had no end/ ? "line" : "plain"
    }
    line == ENVIRON["end_mark"] { ends++; if (!inside) crossed = 1; inside = 0; last = NR }
    END {
      if (!begins && !ends) print "none"
      else if (begins == 1 && ends == 1 && !crossed) print "ours first=" first " last=" last " made=" made
      else print "broken"
    }
  ' "$1"
}

# repository_of FOLDER: the repository that FOLDER lies in, or FOLDER if it lies in none; without links.
repository_of() {
  folder=$(cd -P -- "$1" && pwd -P) || fail "$exit_yours" "There is no folder $1." "Папки $1 нет."
  top=$folder
  while [ -n "$top" ] && [ ! -e "$top/.git" ]; do top=${top%/*}; done
  printf '%s\n' "${top:-$folder}"
}

# rules_inside FILE: ends, with words, where links lead from FILE to $rules_file out of the repository. A file that
# came with a clone must not have the rules written somewhere else. A path with .. or from / names its place itself.
rules_inside() {
  case $1 in
    /* | ../* | */../*) named=$(dirname "$1") ;;
    *) named=$PWD ;;
  esac
  repository=$(repository_of "$named") || exit $?
  folder=$(cd -P -- "$(dirname "$rules_file")" && pwd -P)
  case $folder/ in
    "${repository%/}"/*) ;;
    *) fail "$exit_yours" "$1 is a link out of $repository, to $rules_file. If you mean that file, name it: --agents-md '$rules_file'" \
      "$1 — ссылка за пределы $repository, на $rules_file. Если нужен именно этот файл, укажите его: --agents-md '$rules_file'" ;;
  esac
}

# rules_ready FILE: sets $rules_file and $rules_report; ends, with words, where FILE can't take the rules.
rules_ready() {
  case $1 in *"$nl"*) fail "$exit_usage" "A file's name can't have a line end in it." "В имени файла не может быть перевода строки." ;; esac
  case $1 in /*) rules_file=$1 ;; *) rules_file=$PWD/$1 ;; esac
  rules_file=$(followed "$rules_file") || exit $?
  [ -d "$(dirname "$rules_file")" ] || fail "$exit_yours" "There is no folder $(dirname "$rules_file")." "Папки $(dirname "$rules_file") нет."
  [ -n "$removing" ] || rules_inside "$1"
  ready "$rules_file"
  rules_report=none
  if [ -e "$rules_file" ]; then rules_report=$(look_at_rules "$rules_file"); fi
  case $rules_report in
    broken)
      unpaired "$rules_file"
      yours
      ;;
  esac
}

unpaired() {
  complain "The marks of this script in $1 are not one pair any more, so that it can't be told what is whose. Take out by hand what is between and around them: lines that begin with <!-- [tasker-connect]" \
    "Метки этого скрипта в $1 больше не составляют пары, и не видно, где чей текст. Уберите вручную то, что относится к ним: строки, которые начинаются с <!-- [tasker-connect]"
}

# rules_keep TOKEN: puts the rules into the file that rules_ready looked at, in place of those before.
rules_keep() {
  language=en
  if speaks_russian; then language=ru; fi
  reach_as "$1" "/api/v1/agent-session/setup?lang=$language"
  if [ "$got" -ne 0 ]; then fail "$exit_away" "The rules could not be fetched. Run this again with --agents-md alone." "Не удалось получить правила. Запустите ещё раз только с --agents-md."; fi
  [ "$status" = 200 ] || refused
  rules=$(printf '%s\n' "$body" | json setup.agents_md) || rules=
  case $rules in
    '' | *'[tasker-connect]'*) fail "$exit_away" "The gateway's rules are not what was agreed." "Правила от шлюза не такие, как условлено." ;;
  esac

  begin "$rules_file"
  like "$rules_file"
  with_rules >"$scratch" || unwritten "$rules_file"
  case $(look_at_rules "$scratch") in ours*) ;; *) unwritten "$rules_file" ;; esac
  settle "$rules_file"
  case $rules_report in
    ours*) words "The rules for agents were brought up to date in $rules_file" "Правила для агентов обновлены в $rules_file" ;;
    *) words "The rules for agents are in $rules_file" "Правила для агентов записаны в $rules_file" ;;
  esac
  remember "$rules_file"
}

with_rules() {
  case $rules_report in
    ours*)
      first=$(field first "$rules_report")
      lines "$rules_file" 1 "$first" && printf '%s\n' "$rules" && lines "$rules_file" "$(field last "$rules_report")" ''
      ;;
    *)
      if [ -e "$rules_file" ]; then cat "$rules_file" || return 1; fi
      if [ -e "$rules_file" ] && is_unended "$rules_file"; then echo; fi
      cat <<END
$rules_begin Written by $gateway/connect, which replaces all up to the mark that ends it.$(origin "$rules_file") -->
$rules
$rules_end
END
      ;;
  esac
}

# Writes a place down for --remove. Without it the rules are found only where --remove is told of them.
remember() {
  if [ -e "$places" ] && grep -Fqx -e "$1" "$places"; then return 0; fi
  ready "$places"
  begin "$places"
  {
    if [ -e "$places" ]; then cat "$places"; fi
    printf '%s\n' "$1"
  } >"$scratch" || unwritten "$places"
  settle "$places"
}

# rules_remove FILE: takes the rules out of it, if they are there.
rules_remove() {
  [ -f "$1" ] || return 0
  case $(look_at_rules "$1") in
    none) return 0 ;;
    broken)
      unpaired "$1"
      unfinished=yes
      return 0
      ;;
  esac
  rules_ready "$1"
  made=$(field made "$rules_report")
  begin "$rules_file"
  like "$rules_file"
  without "$rules_file" "$(field first "$rules_report")" "$(field last "$rules_report")" "$made" >"$scratch" ||
    unwritten "$rules_file"
  if [ "$made" = file ] && [ ! -s "$scratch" ]; then
    drop
    rm -f "$rules_file" || unwritten "$rules_file"
  else
    settle "$rules_file"
  fi
  removed=yes
  words "The rules for agents were taken out of $rules_file" "Правила для агентов убраны из $rules_file"
}

# Takes the rules out of the file that is named, of AGENTS.md here, and wherever else they were put.
rules_remove_all() {
  rules_remove "$1"
  if [ -e "$places" ]; then
    while IFS= read -r place; do
      if [ "$place" != "${rules_file:-}" ]; then rules_remove "$place" </dev/null; fi
    done <"$places"
    [ -n "$unfinished" ] || rm -f "$places" || fail "$exit_failed" "$places could not be removed." "Не удалось удалить $places."
  fi
  rmdir "$own" 2>/dev/null || :
}

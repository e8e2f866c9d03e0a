
# --- config.toml, looked at ---

# look FILE: one line on what FILE (TOML 1.0) says of mcp_servers.tasker.
#   none                nothing
#   ours …              what this script wrote, or Codex after it in its own spelling
#   foreign line=N      something else
#   inline line=N       mcp_servers is a value, so that no table can be added to it
#   broken line=N       it is not TOML
# `ours` goes on with: url= and auth=, the lines of these two; inline=, whether http_headers is an inline
# table; to=, the address; first= and last=, its lines; sub= and sublast=, those of a table of headers;
# grown=, whether somebody added to it; made=, see origin. crlf= says how lines end.
# Text in strings of several lines, in arrays and in comments is not taken for a table.
look() {
  endpoint="$gateway/mcp" LC_ALL=C awk '
    BEGIN { S = SUBSEP; servers = "mcp_servers"; ours = servers S "tasker"; headers = ours S "http_headers" }
    { line = $0 }
    NR == 1 { crlf = sub(/\r$/, "", line); sub(/^\357\273\277/, "", line) }
    { sub(/\r$/, "", line) }
    open != "" || depth > 0 { scan(line); next }
    line ~ /^[ \t]*$/ { chain = 0; next }
    line ~ /^[ \t]*#/ {
      if (line ~ /^# \[tasker-connect\] /) { chain = 1; mark = NR; marked = line } else chain = chain == 1 ? 2 : 0
      next
    }
    line ~ /^[ \t]*\[/ { header(line); chain = 0; next }
    { chain = 0; entry(line) }

    function give_up() { if (!over) print "broken line=" NR; over = 1; exit }
    function within(path) { return path == ours || index(path, ours S) == 1 }
    function mention() { if (!where) where = NR }
    function strange() { mention(); foreign = 1 }
    function inline() { if (!over) print "inline line=" NR; over = 1; exit }

    function header(s,    many) {
      sub(/^[ \t]*\[/, "", s)
      many = sub(/^\[/, "", s)
      table = key(s, many ? "]]" : "]")
      if (rest !~ /^[ \t]*(#.*)?$/) give_up()
      if (table == servers && many) inline()
      if (!within(table)) return
      mention()
      if (many) strange()
      else if (table == ours) {
        if (main) strange()
        main = last = NR
        first = chain == 2 ? mark : NR
        own = chain == 2 ? 3 : 1
        if (chain == 2 && mark == NR - 2) made = marked ~ /The file was made for it/ ? "file" : marked ~ /The line before had no end/ ? "line" : "plain"
      } else if (table == headers) sub_first = sub_last = NR
      else grown = 1
    }

    function entry(s,    path, text) {
      path = key(s, "=")
      if (table != "") path = table S path
      text = rest
      scan(rest)
      if (path == servers) inline()
      if (!within(path)) return
      if (!within(table)) { strange(); return }
      gsub(/^[ \t]+|[ \t]+$/, "", text)
      if (path == ours S "url" && text ~ /^"[^" \\]+"$/) { url = NR; to = substr(text, 2, length(text) - 2); kept() }
      else if (path == headers && text ~ /^[{] Authorization = "Bearer ndcat_[0-9A-Za-z]+" [}]$/) { auth = NR; within_line = 1; kept() }
      else if (path == ours S "startup_timeout_sec" && text ~ /^20([.]0)?$/) kept()
      else if (path == ours S "tool_timeout_sec" && text ~ /^60([.]0)?$/) kept()
      else if (table == headers && path == headers S "Authorization" && text ~ /^"Bearer ndcat_[0-9A-Za-z]+"$/) { auth = sub_last = NR }
      else grown = 1
    }
    function kept() { own++; last = NR }

    # The dotted key at the beginning of s, up to the text that ends it; rest is what follows.
    function key(s, end,    path, part, n, width) {
      for (n = 0; ; n++) {
        sub(/^[ \t]+/, "", s)
        if (!match(s, /^[A-Za-z0-9_-]+|^"([^"\\]|\\.)*"|^\047[^\047]*\047/)) { give_up(); return "" }
        width = RLENGTH
        part = substr(s, 1, width)
        if (part ~ /^"/) part = plain(substr(part, 2, width - 2))
        else if (part ~ /^\047/) part = substr(part, 2, width - 2)
        s = substr(s, width + 1)
        path = n ? path S part : part
        sub(/^[ \t]+/, "", s)
        if (substr(s, 1, length(end)) == end) { rest = substr(s, length(end) + 1); return path }
        if (substr(s, 1, 1) != ".") { give_up(); return "" }
        s = substr(s, 2)
      }
    }
    # A quoted key with its escapes undone, as far as they can spell a name of ours.
    function plain(s,    made, digits, n, i) {
      made = ""
      while (match(s, /\\/)) {
        made = made substr(s, 1, RSTART - 1)
        s = substr(s, RSTART + 1)
        n = substr(s, 1, 1) == "u" ? 4 : substr(s, 1, 1) == "U" ? 8 : substr(s, 1, 1) == "x" ? 2 : 0
        digits = tolower(substr(s, 2, n))
        s = substr(s, 2 + n)
        n = n ? 0 : 63
        for (i = 1; i <= length(digits); i++) n = n * 16 + index("0123456789abcdef", substr(digits, i, 1)) - 1
        made = made (n > 31 && n < 127 ? sprintf("%c", n) : "?")
      }
      return made s
    }

    # Follows a value: open is the quote of a string that goes on over lines, depth counts brackets.
    function scan(s,    c) {
      while (s != "") {
        if (open == "") {
          if (!match(s, /[][{}"\047#]/)) return
          s = substr(s, RSTART)
          c = substr(s, 1, 1)
          if (c == "#") return
          if (c == "[" || c == "{") { depth++; s = substr(s, 2) }
          else if (c == "]" || c == "}") { if (--depth < 0) { give_up(); return } s = substr(s, 2) }
          else if (substr(s, 1, 3) == c c c) { open = c; s = substr(s, 4) }
          else if (match(s, c == "\"" ? "^\"([^\"\\\\]|\\\\.)*\"" : "^\047[^\047]*\047")) s = substr(s, RLENGTH + 1)
          else { give_up(); return }
        } else if (match(s, open == "\"" ? "\\\\|\"\"\"" : "\047\047\047")) {
          c = substr(s, RSTART, 1)
          s = substr(s, RSTART + (c == "\\" ? 2 : 3))
          # A string may end in two quotes of its own before the three that close it.
          if (c != "\\") { sub(open == "\"" ? "^\"\"?" : "^\047\047?", "", s); open = "" }
        } else return
      }
    }

    END {
      if (over) exit
      if (open != "" || depth > 0) { print "broken line=" NR; exit }
      report = " crlf=" (crlf ? "yes" : "no")
      if (!where) print "none" report
      else if (foreign || !main || !url || !auth || (made == "" && to != ENVIRON["endpoint"])) print "foreign line=" where report
      else print "ours url=" url " auth=" auth " inline=" (within_line ? "yes" : "no") " to=" to " first=" first \
        " last=" last " sub=" sub_first " sublast=" sub_last " made=" made \
        " grown=" (grown || own != last - first + 1 || (within_line && sub_first) || (sub_first && sub_last != sub_first + 1) ? "yes" : "no") report
    }
  ' "$1"
}


# --- JSON, read with awk ---

# json PATH: what stands at that path (token_info.name, grants.#: how many) in the document on standard
# input, without line ends at its end. Fails where the document is not JSON or has nothing there. Control
# and bidirectional characters are left out, since what comes of it is shown on a terminal.
json() {
  want=$1 LC_ALL=C awk '
    { text = text $0 "\n" }
    END {
      want = ENVIRON["want"]
      at = 1
      value("")
      blank()
      if (bad || at <= length(text) || !found) exit 1
      gsub(/[\001-\010\013-\037\177]|\302[\200-\237]/, "", out)
      gsub(/\342\200[\216\217\252-\256]|\342\201[\246-\251]|\330\234/, "", out)
      printf "%s\n", out
    }
    function blank() { while (at <= length(text) && index(" \t\r\n", substr(text, at, 1))) at++ }
    function hit(path, what) { if (path == want) { found = 1; out = what } }
    function under(path, key) { return path == "" ? key : path "." key }
    function value(path,    c, key, n) {
      blank()
      c = substr(text, at, 1)
      if (c == "\"") hit(path, string())
      else if (c == "{" || c == "[") {
        at++
        n = 0
        blank()
        if (substr(text, at, 1) != (c == "{" ? "}" : "]")) for (;;) {
          key = n++
          if (c == "{") {
            blank()
            if (substr(text, at, 1) != "\"") bad = 1
            else key = string()
            blank()
            if (substr(text, at++, 1) != ":") bad = 1
          }
          if (!bad) value(under(path, key))
          if (bad) return
          blank()
          if (substr(text, at, 1) != ",") break
          at++
        }
        if (substr(text, at++, 1) != (c == "{" ? "}" : "]")) bad = 1
        if (c == "[") hit(under(path, "#"), n)
      } else if (match(substr(text, at, 64), /^(true|false|null|-?[0-9][0-9.eE+-]*)/)) {
        hit(path, substr(text, at, RLENGTH))
        at += RLENGTH
      } else bad = 1
    }
    function string(    made, rest, c) {
      made = ""
      at++
      for (;;) {
        rest = substr(text, at)
        if (!match(rest, /["\\]/)) { bad = 1; return "" }
        made = made substr(rest, 1, RSTART - 1)
        at += RSTART
        if (substr(rest, RSTART, 1) == "\"") return made
        c = substr(text, at++, 1)
        if (c == "n") made = made "\n"
        else if (c == "t") made = made "\t"
        else if (c == "u") made = made utf8(escaped())
        else if (index("\"\\/", c)) made = made c
        else if (!index("bfr", c)) { bad = 1; return "" }
      }
    }
    function hex(digits,    i, n) {
      n = 0
      for (i = 1; i <= 4; i++) n = n * 16 + index("0123456789abcdef", tolower(substr(digits, i, 1))) - 1
      return n
    }
    # RFC 8259 section 7: a pair of surrogates is one character; half a pair is none.
    function escaped(    high, low) {
      if (substr(text, at, 4) !~ /^[0-9A-Fa-f][0-9A-Fa-f][0-9A-Fa-f][0-9A-Fa-f]$/) { bad = 1; return 0 }
      high = hex(substr(text, at, 4))
      at += 4
      if (high < 55296 || high > 57343) return high
      if (high > 56319 || substr(text, at) !~ /^\\u[Dd][C-Fc-f][0-9A-Fa-f][0-9A-Fa-f]/) return 65533
      low = hex(substr(text, at + 2, 4))
      at += 6
      return 65536 + (high - 55296) * 1024 + low - 56320
    }
    function utf8(n) {
      if (n == 0) return ""
      if (n < 128) return sprintf("%c", n)
      if (n < 2048) return sprintf("%c%c", 192 + int(n / 64), 128 + n % 64)
      if (n < 65536) return sprintf("%c%c%c", 224 + int(n / 4096), 128 + int(n / 64) % 64, 128 + n % 64)
      return sprintf("%c%c%c%c", 240 + int(n / 262144), 128 + int(n / 4096) % 64, 128 + int(n / 64) % 64, 128 + n % 64)
    }
  '
}

# said PATH: the same in one line, of the reply in $body; nothing where it is not there.
said() {
  printf '%s\n' "$body" | json "$1" 2>/dev/null | tr '\n' ' ' | sed 's/ *$//'
}

/**
 * How much structure a text may have before it is read as Markdown.
 *
 * CommonMark can be parsed in linear time, micromark does not always: its cost grows with the square of the
 * list items of a document, of the lines of a container, of the delimiters of a paragraph (`*`, `[`, `![`,
 * `&` …, each measured), and its tree is walked by recursion, one frame a container. A description that a
 * person or an agent writes stays far below every bound here; one that does not is taken for plain
 * paragraphs, both ways, so that no text can hold up the process. All in one pass over the lines.
 */

/** UTF-16 units. Half a second of parsing at worst; 64 KiB is ten times the longest card worth reading. */
export const maxMarkdownLength = 65_536

/** Lists and quotes inside each other. At most three elements of HTML each (`ul`, `li`, `div`). */
export const maxContainerDepth = 32

/** What the quadratic terms may cost together. */
const budgetNanoseconds = 400_000_000

/** Measured nanoseconds for each pair of … */
const cost = { listItems: 80, containerLines: 70, setextLines: 280, delimiters: 25 }

/** GFM tables: a short row is filled up to the header's length, so a wide header multiplies every row.
 * cmark-gfm bounds the same (`MAX_AUTOCOMPLETED_CELLS`, CVE-2023-22483 and its kin). */
export const maxTableCells = 20_000

/** All that reference links may add to a document; cmark has the same bound (CommonMark's own fuzzing). */
export const maxReferenceLength = 65_536

const fenceOpening = /^(?:(`{3,})[^`]*|(~{3,}).*)$/
const thematicBreak = /^[ \t]*([-*_])(?:[ \t]*\1){2,}[ \t]*$/
const setextUnderline = /^(?:=+|-+)[ \t]*$/
const delimiter = /[*_~`[\]()!<&\\]/g

/** Whether a text (newlines as LF) is beyond what is read as Markdown. */
export const exceedsBounds = (markdown: string): boolean => {
  if (markdown.length > maxMarkdownLength) return true
  let fence: RegExp | undefined
  let nanoseconds = 0
  let listItems = 0
  let setextLines = 0
  // Of the block, i.e. the lines up to the next blank one: no paragraph is longer than that.
  let delimiters = 0
  let lines = 0
  let contained = false
  const closeBlock = () => {
    nanoseconds += cost.delimiters * delimiters ** 2 + (contained ? cost.containerLines * lines ** 2 : 0)
    delimiters = lines = 0
    contained = false
  }
  for (const line of markdown.split("\n")) {
    if (fence !== undefined) {
      if (fence.test(line)) fence = undefined
      continue
    }
    // A fence in the first column is always one (it ends every list, quote and paragraph before it), and
    // nothing inside it is structure. Indented fences may lie in a list, so they are counted like text.
    const opening = fenceOpening.exec(line)
    if (opening !== null) {
      const marker = opening[1] ?? opening[2] ?? ""
      fence = new RegExp(`^ {0,3}${marker}${marker[0]}*[ \\t]*$`)
      closeBlock()
      continue
    }
    const { depth, isListItem, content } = containersOf(line)
    if (depth > maxContainerDepth) return true
    if (content === "" && depth === 0) {
      closeBlock()
      continue
    }
    lines += 1
    contained ||= depth > 0
    if (isListItem) listItems += 1
    if (setextUnderline.test(content)) setextLines += 1
    delimiters += line.match(delimiter)?.length ?? 0
  }
  closeBlock()
  nanoseconds += cost.listItems * listItems ** 2 + cost.setextLines * setextLines ** 2
  return nanoseconds > budgetNanoseconds
}

/** Markers of lists and quotes at the start of a line, and two columns of indentation before the last of
 * them as one more: the most that the line can be inside of. */
const containersOf = (line: string) => {
  let index = 0
  let columns = 0
  let depth = 0
  let markers = 0
  let isListItem = false
  if (thematicBreak.test(line)) return { depth, isListItem, content: line }
  for (; index < line.length; index++) {
    const character = line[index]
    if (character === " ") columns += 1
    else if (character === "\t") columns += 4
    else {
      const width = markerWidth(line, index)
      if (width === 0) break
      isListItem ||= character !== ">"
      markers += 1
      depth = markers + (columns >> 1)
      index += width - 1
      // The space after a marker belongs to it.
      if (line[index + 1] === " ") index += 1
    }
  }
  return { depth, isListItem, content: line.slice(index) }
}

const bullet = /(?:[-+*]|\d{1,9}[.)])(?=[ \t]|$)/y

const markerWidth = (line: string, index: number): number => {
  if (line[index] === ">") return 1
  bullet.lastIndex = index
  return bullet.exec(line)?.[0].length ?? 0
}

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

/** Measured nanoseconds for each pair of these in a document … */
const costInDocument = { lines: 5, containers: 10, listItems: 80, setextLines: 280 }
/** … and in a block, i.e. between two blank lines, which no paragraph is longer than. */
const costInBlock = { linesOfContainer: 70, tableLines: 20, delimiters: 25 }

/** Blocks, marks and texts of a tree. */
export const maxNodes = 20_000

/** GFM tables: a short row is filled up to the header's length, so a wide header multiplies every row.
 * cmark-gfm bounds the same (`MAX_AUTOCOMPLETED_CELLS`). */
export const maxTableCells = 20_000

/** All that reference links may add to a document; cmark bounds it too, by the document's own size. */
export const maxReferenceLength = 65_536

const fenceOpening = /^(?:(`{3,})[^`]*|(~{3,}).*)$/
const thematicBreak = /^[ \t]*([-*_])(?:[ \t]*\1){2,}[ \t]*$/
const setextUnderline = /^(?:=+|-+)[ \t]*$/
/** A character reference costs three times a delimiter. */
const delimiter = /[*_~`[\]()!<\\@]|:\/\/|www\./g
const reference = /&/g

/** Whether a text (newlines as LF) is beyond what is read as Markdown. */
export const exceedsBounds = (markdown: string): boolean => {
  if (markdown.length > maxMarkdownLength) return true
  const document = { lines: 0, containers: 0, listItems: 0, setextLines: 0 }
  const block = { linesOfContainer: 0, tableLines: 0, delimiters: 0 }
  let nanoseconds = 0
  let fence: RegExp | undefined
  let isInContainer = false
  const closeBlock = () => {
    nanoseconds += squares(costInBlock, block)
    block.linesOfContainer = block.tableLines = block.delimiters = 0
    isInContainer = false
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
    document.lines += 1
    document.containers += depth
    if (content === "" && depth === 0) {
      closeBlock()
      continue
    }
    isInContainer ||= depth > 0
    if (isInContainer) block.linesOfContainer += 1
    if (line.includes("|")) block.tableLines += 1
    if (isListItem) document.listItems += 1
    if (setextUnderline.test(content)) document.setextLines += 1
    block.delimiters += (line.match(delimiter)?.length ?? 0) + 3 * (line.match(reference)?.length ?? 0)
  }
  closeBlock()
  return nanoseconds + squares(costInDocument, document) > budgetNanoseconds
}

const squares = <K extends string>(cost: Record<K, number>, counts: Record<K, number>): number => {
  let sum = 0
  for (const key in cost) sum += cost[key] * counts[key] ** 2
  return sum
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

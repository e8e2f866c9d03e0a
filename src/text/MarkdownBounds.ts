/**
 * How much structure a text may have before it is read as Markdown.
 *
 * CommonMark can be parsed in linear time, micromark does not always: it copies all it has read so far
 * wherever a list or a quote ends and at each setext heading, looks back over a paragraph's delimiters (`*`,
 * `[`, `&` …) at each of them, and walks its tree by recursion, a frame a container. A description that a
 * person or an agent writes stays far below every bound here; one that does not is taken for plain
 * paragraphs, both ways, so that no text can hold up the process. One pass over the lines.
 */

/** UTF-16 units; ten times the longest card that anyone wants to read. */
export const maxMarkdownLength = 65_536

/** Lists and quotes inside each other. At most three elements of HTML each (`ul`, `li`, `div`). */
export const maxContainerDepth = 32

/** What the quadratic terms may cost together, by what was measured for each on a slow machine. */
const budgetNanoseconds = 1_000_000_000
const nanosecondsFor = {
  /** Each copy, and each line or container that is in it. */
  copied: 80,
  /** Each pair of list items in a document. */
  listItems: 10,
  /** Each pair of lines in a document. */
  lines: 5,
  /** Each pair of lines with a `|` in a block, i.e. between two blank lines. */
  tableLines: 20,
  /** Each pair of delimiters in a block: no paragraph is longer. */
  delimiters: 30,
  /** Each pair of signs in a row that may end a sentence after a bare address: at each of them the parser
   * looks for the end of the row. */
  trailingSigns: 15
}

/** Blocks, marks and texts of a tree. */
export const maxNodes = 30_000

/** GFM tables: a short row is filled up to the header's length, so a wide header multiplies every row.
 * cmark-gfm bounds the same (`MAX_AUTOCOMPLETED_CELLS`). */
export const maxTableCells = 20_000

/** All that reference links may add to a document; cmark bounds it too, by the document's own size. */
export const maxReferenceLength = 65_536

const fenceOpening = /^(?:(`{3,})[^`]*|(~{3,}).*)$/
const thematicBreak = /^[ \t]*([-*_])(?:[ \t]*\1){2,}[ \t]*$/
const setextUnderline = /^(?:=+|-+)[ \t]*$/
/** A character reference costs three times a delimiter. */
const delimiter = /[*_~`[\]()!<@]|:\/\/|www\./g
const reference = /&/g
/** The signs that GFM 6.9 leaves out at the end of an extended autolink, if they stand in a row. */
const trailingSigns = /[!"'),.:;<?_~*&\]]{2,}/g
const escape = /\\[!-/:-@[-`{-~]/g

/** Whether a text (newlines as LF) is beyond what is read as Markdown. */
export const exceedsBounds = (markdown: string): boolean => boundsUsed(markdown) > 1

/** How much of the bounds a text uses: more than 1 is beyond them. */
export const boundsUsed = (markdown: string): number => {
  if (markdown.length > maxMarkdownLength) return Number.POSITIVE_INFINITY
  const counts = { lines: 0, containers: 0, listItems: 0, copies: 0 }
  let nanoseconds = 0
  let block = { tableLines: 0, delimiters: 0 }
  const closeBlock = () => {
    nanoseconds += nanosecondsFor.tableLines * block.tableLines ** 2
    nanoseconds += nanosecondsFor.delimiters * block.delimiters ** 2
    block = { tableLines: 0, delimiters: 0 }
  }
  let fence: RegExp | undefined
  let isAfterBlank = true
  /** The markers of the last line that had any, while what they opened may be open, so that a line may end it. */
  let open: Markers | undefined
  for (const line of markdown.split("\n")) {
    if (fence !== undefined) {
      if (fence.test(line)) fence = undefined
      continue
    }
    // A fence in the first column is always one (it ends every list, quote and paragraph before it), and
    // nothing inside it is structure. Indented fences may lie in a list, so they are counted like text.
    fence = fenceAt(line)
    const markers = markersOf(line)
    const { depth, content } = markers
    if (depth > maxContainerDepth) return Number.POSITIVE_INFINITY
    counts.lines += 1
    counts.containers += depth
    if (content === "" && depth === 0) {
      closeBlock()
      isAfterBlank = true
      continue
    }
    const isOutside = depth === 0 && !/^[ \t]/.test(line)
    if (open !== undefined && (isOutside || mayEnd(open, markers, isAfterBlank))) counts.copies += 1
    if (depth > 0) open = markers
    else if (fence !== undefined || (isOutside && isAfterBlank)) open = undefined
    if (setextUnderline.test(content)) counts.copies += 2
    if (markers.isListItem) counts.listItems += 1
    if (line.includes("|")) block.tableLines += 1
    const unescaped = line.replace(escape, "")
    block.delimiters +=
      (unescaped.match(delimiter)?.length ?? 0) + 3 * (unescaped.match(reference)?.length ?? 0)
    for (const [row] of line.matchAll(trailingSigns))
      nanoseconds += nanosecondsFor.trailingSigns * row.length ** 2
    isAfterBlank = false
  }
  closeBlock()
  nanoseconds += nanosecondsFor.copied * counts.copies * (counts.lines + 2 * counts.containers)
  nanoseconds += nanosecondsFor.listItems * counts.listItems ** 2 + nanosecondsFor.lines * counts.lines ** 2
  return Math.max(nanoseconds / budgetNanoseconds, markdown.length / maxMarkdownLength)
}

/** What closes the fence that this line opens. */
const fenceAt = (line: string): RegExp | undefined => {
  const opening = fenceOpening.exec(line)
  const marker = opening?.[1] ?? opening?.[2]
  return marker === undefined ? undefined : new RegExp(`^ {0,3}${marker}${marker[0]}*[ \\t]*$`)
}

/**
 * Whether a line ends a list or a quote that is open: any line after a blank one, but for the next item of a
 * simple list; an item beside or outside of the last one's list; another kind of container. Words in the first
 * column end it too, or are a lazy continuation (CommonMark 5.1), which costs as much.
 */
const mayEnd = (open: Markers, markers: Markers, isAfterBlank: boolean): boolean =>
  markers.depth === 0
    ? isAfterBlank
    : (isAfterBlank && (markers.depth > 1 || !markers.isListItem)) ||
      markers.firstColumn < open.lastColumn ||
      markers.isListItem !== open.isListItem

interface Markers {
  /** How many there are, and two columns of indentation before the last as one more: the most that the line
   * can be inside of. */
  readonly depth: number
  readonly isListItem: boolean
  readonly firstColumn: number
  readonly lastColumn: number
  readonly content: string
}

/** The markers of lists and quotes at the start of a line. */
const markersOf = (line: string): Markers => {
  const none = { depth: 0, isListItem: false, firstColumn: 0, lastColumn: 0, content: line.trimStart() }
  if (thematicBreak.test(line)) return none
  const columnsAt: Array<number> = []
  let isListItem = false
  let spaces = 0
  let column = 0
  let index = 0
  for (let depth = 0; ; ) {
    const character = line[index]
    const width = character === " " || character === "\t" ? 0 : markerWidth(line, index)
    if (width > 0) {
      isListItem ||= character !== ">"
      columnsAt.push(column)
      depth = columnsAt.length + (spaces >> 1)
      index += width
      column += width
      // The space after a marker belongs to it.
      if (line[index] === " ") {
        index += 1
        column += 1
      }
    } else if (character === " " || character === "\t") {
      const columns = character === " " ? 1 : 4
      spaces += columns
      column += columns
      index += 1
    } else {
      const content = line.slice(index)
      const [firstColumn = 0] = columnsAt
      return { depth, isListItem, firstColumn, lastColumn: columnsAt.at(-1) ?? 0, content }
    }
  }
}

const bullet = /(?:[-+*]|\d{1,9}[.)])(?=[ \t]|$)/y

const markerWidth = (line: string, index: number): number => {
  if (line[index] === ">") return 1
  bullet.lastIndex = index
  return bullet.exec(line)?.[0].length ?? 0
}

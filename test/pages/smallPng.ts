import { crc32, deflateSync, inflateSync } from "node:zlib"

/**
 * A picture of a page as Chromium takes it (PNG, 8 bits a channel, not interlaced), written again with a palette:
 * a page of text has few colours, and a third of the bytes is left. The 128 that are most of it, and can be
 * told from each other, stay as they are; any other becomes the one of them that is nearest.
 */
export const smallPng = (png: Buffer): Buffer => {
  const { colours, height, width } = decoded(png)
  const counts = new Map<number, number>()
  for (const colour of colours) counts.set(colour, (counts.get(colour) ?? 0) + 1)
  const palette: Array<number> = []
  for (const [colour] of [...counts].sort(([, a], [, b]) => b - a)) {
    if (palette.length < 128 && palette.every((other) => distance(other, colour) > indistinct))
      palette.push(colour)
  }
  const entries = new Map([...counts.keys()].map((colour) => [colour, nearest(palette, colour)]))
  const rows = Buffer.alloc((width + 1) * height)
  for (const [i, colour] of colours.entries()) {
    rows[Math.floor(i / width) * (width + 1) + 1 + (i % width)] = entries.get(colour) ?? 0
  }
  return Buffer.concat([
    signature,
    chunk("IHDR", Buffer.concat([uint32(width), uint32(height), Buffer.from([8, 3, 0, 0, 0])])),
    chunk("PLTE", Buffer.from(palette.flatMap((colour) => parts(colour)))),
    chunk("IDAT", deflateSync(rows, { level: 9 })),
    chunk("IEND", Buffer.alloc(0))
  ])
}

/** As the square of a distance: some four levels a channel. */
const indistinct = 48

const parts = (colour: number): readonly [number, number, number] => [
  colour >> 16,
  (colour >> 8) & 255,
  colour & 255
]

const distance = (one: number, other: number): number => {
  const [r1, g1, b1] = parts(one)
  const [r2, g2, b2] = parts(other)
  return (r1 - r2) ** 2 + (g1 - g2) ** 2 + (b1 - b2) ** 2
}

/** Where in the palette the colour nearest to this one stands. */
const nearest = (palette: ReadonlyArray<number>, colour: number): number =>
  palette.reduce(
    (best, candidate, i) => (distance(candidate, colour) < distance(palette[best] ?? 0, colour) ? i : best),
    0
  )

const signature = Buffer.from("89504e470d0a1a0a", "hex")

const uint32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

/** PNG, third edition, section 5.3. */
const chunk = (type: string, content: Buffer): Buffer => {
  const body = Buffer.concat([Buffer.from(type, "latin1"), content])
  return Buffer.concat([uint32(content.length), body, uint32(crc32(body))])
}

const decoded = (png: Buffer) => {
  const width = png.readUInt32BE(16)
  const height = png.readUInt32BE(20)
  // Colour type 6 has an opacity besides.
  const channels = png[25] === 6 ? 4 : 3
  const pieces: Array<Buffer> = []
  for (let at = 8; at < png.length; ) {
    const length = png.readUInt32BE(at)
    if (png.toString("latin1", at + 4, at + 8) === "IDAT") pieces.push(png.subarray(at + 8, at + 8 + length))
    at += length + 12
  }
  const filtered = inflateSync(Buffer.concat(pieces))
  const pixels = unfiltered(filtered, width * channels, height, channels)
  const colours = new Uint32Array(width * height).map(
    (_, i) =>
      ((pixels[i * channels] ?? 0) << 16) |
      ((pixels[i * channels + 1] ?? 0) << 8) |
      (pixels[i * channels + 2] ?? 0)
  )
  return { width, height, colours }
}

/** Undoes the filter that stands before each row (section 9.2). */
const unfiltered = (filtered: Buffer, row: number, height: number, channels: number): Buffer => {
  const pixels = Buffer.alloc(row * height)
  for (let y = 0; y < height; y++) {
    const filter = filtered[y * (row + 1)]
    for (let x = 0; x < row; x++) {
      const at = y * row + x
      const left = x < channels ? 0 : (pixels[at - channels] ?? 0)
      const above = y === 0 ? 0 : (pixels[at - row] ?? 0)
      const corner = y === 0 || x < channels ? 0 : (pixels[at - row - channels] ?? 0)
      const expected =
        filter === 1
          ? left
          : filter === 2
            ? above
            : filter === 3
              ? (left + above) >> 1
              : filter === 4
                ? paeth(left, above, corner)
                : 0
      pixels[at] = ((filtered[y * (row + 1) + 1 + x] ?? 0) + expected) & 255
    }
  }
  return pixels
}

const paeth = (left: number, above: number, corner: number): number => {
  const estimate = left + above - corner
  const [a, b, c] = [left, above, corner].map((value) => Math.abs(estimate - value)) as [
    number,
    number,
    number
  ]
  return a <= b && a <= c ? left : b <= c ? above : corner
}

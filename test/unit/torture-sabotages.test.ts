import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { leaseOf } from "../torture/sabotage/lease.ts"
import { type Edit, sabotages } from "../torture/sabotage/Sabotages.ts"

const root = join(import.meta.dirname, "../..")

/** One edit after the other, as the hook makes them. */
const edited = (source: string, { instead, snippet }: Edit): string => {
  assert.lengthOf(source.split(snippet), 2, `is not there exactly once: ${snippet}`)
  return source.replace(snippet, () => instead)
}

describe("the sabotages of the torture run", () => {
  it.each(Object.entries(sabotages))("%s still finds what it spoils", (_, { edits, shows }) => {
    const files = Map.groupBy(edits, ({ file }) => file)
    for (const [file, inFile] of files) {
      inFile.reduce(edited, readFileSync(join(root, file), "utf8"))
    }
    assert.isNotEmpty(shows)
  })

  it("the shorter lease finds the longer one", () => {
    const edit = leaseOf(1000)
    edited(readFileSync(join(root, edit.file), "utf8"), edit)
  })
})

/** `npm run build`: the gateway as plain JavaScript in `dist/`, for images that run it without its tools. */
import { rmSync } from "node:fs"
import { join } from "node:path"
import { root, runQuietly, types } from "./steps.ts"

rmSync(join(root, "dist"), { recursive: true, force: true })
const [compiler] = types.command
const built = await runQuietly({ name: "build", command: [compiler ?? "", "-p", "tsconfig.build.json"] })
process.exit(built ? 0 : 1)

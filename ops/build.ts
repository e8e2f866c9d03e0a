/** `npm run build`: the gateway as plain JavaScript in `dist/`, for images that run it without its tools. */
import { cpSync, rmSync, statSync } from "node:fs"
import { join } from "node:path"
import { root, runQuietly, types } from "./steps.ts"

rmSync(join(root, "dist"), { recursive: true, force: true })
const [compiler] = types.command
const built = await runQuietly({ name: "build", command: [compiler ?? "", "-p", "tsconfig.build.json"] })
// What the gateway serves as it stands, such as the script of /connect, goes along with what was compiled.
cpSync(join(root, "src"), join(root, "dist"), {
  recursive: true,
  filter: (file) => statSync(file).isDirectory() || !file.endsWith(".ts")
})
process.exit(built ? 0 : 1)

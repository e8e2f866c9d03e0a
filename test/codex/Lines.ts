import { DefaultReporter, type TestCase, type TestModule } from "vitest/node"

/** One line a scenario, with its time and the figures that it gives; what went wrong follows at the end. */
export default class Lines extends DefaultReporter {
  override printTestModule(module: TestModule) {
    // A file that could not even be read has no scenario to show.
    if (!module.ok() && [...module.children.allTests()].length === 0) super.printTestModule(module)
  }

  override onTestCaseResult(test: TestCase) {
    super.onTestCaseResult(test)
    const { state } = test.result()
    const mark = { passed: "✓", failed: "✗", skipped: "-", pending: "-" }[state]
    const seconds = ((test.diagnostic()?.duration ?? 0) / 1000).toFixed(1).padStart(6)
    // A suite is named for whom it is about, a test for what they do: together they are a sentence.
    this.log(
      `  ${mark} ${seconds} s  ${test.parent.type === "suite" ? `${test.parent.name} ` : ""}${test.name}`
    )
    for (const { message } of test.annotations()) this.log(`${" ".repeat(14)}${message}`)
  }
}

// `gyre bench`: options, and the report as text or JSON.
#pragma once

namespace CLI {
class App;
}

namespace gyre {

// Adds the verb. Its callback runs the load, prints the report and sets `exit_code`: 0, 1 if any
// request failed or no server was reached, 2 for options that make no sense. `exit_code` must
// outlive the parse.
void AddBenchCommand(CLI::App& app, int& exit_code);

}  // namespace gyre

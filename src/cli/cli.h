// `gyre`: one binary; `gyre serve` runs a node, every other verb is a client of one.
#pragma once

namespace gyre {

// Returns the process's exit code, see ExitCode in cli_support.h.
int CliMain(int argc, char** argv);

}  // namespace gyre

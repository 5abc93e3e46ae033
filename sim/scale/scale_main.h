// `gyre-sim scale`: runs one scenario and prints its two lines.
#pragma once

namespace gyre::sim {

// The arguments behind `scale`. Returns the exit code; 2: wrong arguments.
int ScaleMain(int argc, char** argv);

}  // namespace gyre::sim

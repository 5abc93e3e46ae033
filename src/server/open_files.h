// How the file descriptors that the system grants are shared out. Storage comes first: if RocksDB
// cannot open a file, nothing is written any more until the node is restarted; a client that finds
// no room comes again.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/result.h"

namespace gyre {

struct OpenFiles {
  std::size_t clients = 0;  // at a time; at most what was asked for
  int tables = 0;           // table files that storage keeps open
};

// Asks the system for as many as it may grant this process (setrlimit), and returns how many these
// are. It often begins with 1,024.
std::uint64_t RaiseOpenFilesLimit();

// An eighth each goes to tables and to the links between nodes, within bounds, and a part to logs
// and the like. Errors: kInvalidArgument: too few for a node.
Result<OpenFiles> ShareOpenFiles(std::uint64_t granted, std::size_t clients_wanted);

}  // namespace gyre

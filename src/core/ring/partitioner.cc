#include "core/ring/partitioner.h"

#include <string>

namespace gyre {

Result<PartitionerKind> ParsePartitioner(std::string_view name) {
  for (const PartitionerKind kind : {PartitionerKind::kMd5, PartitionerKind::kXxh3}) {
    if (name == PartitionerName(kind)) return kind;
  }
  return Fail(ErrorCode::kInvalidArgument,
              "unknown partitioner '" + std::string(name.substr(0, 64)) + "'; use md5 or xxh3");
}

}  // namespace gyre

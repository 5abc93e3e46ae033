#include "server/open_files.h"

#include <sys/resource.h>

#include <algorithm>
#include <string>

namespace gyre {
namespace {

constexpr std::uint64_t kOwn = 128;  // listeners, logs, files being written, threads
constexpr std::uint64_t kShareMin = 64, kShareMax = 8192;
constexpr std::uint64_t kClientsMin = 16;
// More than anybody needs, where the system names no limit.
constexpr std::uint64_t kWantedMax = 1 << 20;

}  // namespace

std::uint64_t RaiseOpenFilesLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  const rlimit raised{std::max(limit.rlim_cur, std::min<rlim_t>(limit.rlim_max, kWantedMax)),
                      limit.rlim_max};
  return setrlimit(RLIMIT_NOFILE, &raised) == 0 ? raised.rlim_cur : limit.rlim_cur;
}

Result<OpenFiles> ShareOpenFiles(std::uint64_t granted, std::size_t clients_wanted) {
  const std::uint64_t share = std::clamp(granted / 8, kShareMin, kShareMax);
  const std::uint64_t before_clients = kOwn + 2 * share;
  if (granted < before_clients + kClientsMin) {
    return Fail(ErrorCode::kInvalidArgument,
                "the system lets this process open " + std::to_string(granted) +
                    " files and connections, and a node needs at least " +
                    std::to_string(before_clients + kClientsMin) +
                    ": raise the limit (`ulimit -n`; systemd: LimitNOFILE)");
  }
  return OpenFiles{std::min<std::size_t>(clients_wanted, granted - before_clients),
                   static_cast<int>(share)};
}

}  // namespace gyre

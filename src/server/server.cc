#include "server/server.h"

#include <pthread.h>
#include <signal.h>

#include <string>

#include "server/logging.h"
#include "server/node_server.h"
#include "server/version.h"

namespace gyre {
namespace {

// Blocks the signals that end a node in this thread and those it starts, so that they can be
// waited for.
sigset_t BlockStopSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  return signals;
}

}  // namespace

int RunServer(const ServerConfig& config) {
  const sigset_t signals = BlockStopSignals();
  const std::unique_ptr<Log> log = OpenLog({config.log_level, config.log_format});
  for (const std::string& warning : ConfigWarnings(config)) {
    log->Write(LogLevel::kWarning, "config_warning", warning, {});
  }
  Result<std::unique_ptr<NodeServer>> node = NodeServer::Start(config, *log);
  if (!node) {
    log->Write(LogLevel::kError, "start_failed", node.error().message,
               {{"code", ErrorCodeName(node.error().code)}});
    return 1;
  }
  log->Write(LogLevel::kInfo, "serving", "the node serves",
             {{"node", config.node_name},
              {"cluster", config.cluster_id},
              {"resp", (*node)->resp_address().ToString()},
              {"http", (*node)->http_address().ToString()},
              {"peers", (*node)->peer_address().ToString()},
              {"shards", config.shards},
              {"engine", config.engine == EngineKind::kMemory ? "memory" : "rocksdb"},
              {"version", kGyreVersion}});
  int received = 0;
  sigwait(&signals, &received);
  log->Write(LogLevel::kInfo, "stopping", "told to stop; finishing what is in flight",
             {{"signal", received == SIGINT ? "SIGINT" : "SIGTERM"}});
  if (Status ok = (*node)->Stop(); !ok) {
    log->Write(LogLevel::kError, "unclean_stop", ok.error().message, {});
    return 1;
  }
  log->Write(LogLevel::kInfo, "stopped", "everything is durable", {});
  return 0;
}

}  // namespace gyre

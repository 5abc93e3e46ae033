// Commands about the node: INFO, CONFIG, TIME, and those that are refused.
#include <unistd.h>

#include <algorithm>

#include "server/resp/arguments.h"
#include "server/resp/commands.h"
#include "server/resp/glob.h"
#include "server/resp/resp_session.h"

namespace gyre {
namespace {

class InfoText {
 public:
  explicit InfoText(RespSession& session) : session_(session), stats_(session.backend().Stats()) {}

  // Redis's sections, and in Redis's order; the wanted ones in `names` (lower case).
  std::string Render(const std::vector<std::string>& names) {
    using Section = void (InfoText::*)();
    struct Named {
      std::string_view name;
      std::string_view title;
      Section write;
    };
    static constexpr Named kSections[] = {
        {"server", "Server", &InfoText::Server},
        {"clients", "Clients", &InfoText::Clients},
        {"memory", "Memory", &InfoText::Memory},
        {"persistence", "Persistence", &InfoText::Persistence},
        {"stats", "Stats", &InfoText::Stats},
        {"replication", "Replication", &InfoText::Replication},
        {"cluster", "Cluster", &InfoText::Cluster},
        {"keyspace", "Keyspace", &InfoText::Keyspace},
    };
    const auto wants = [&](std::string_view name) {
      return std::any_of(names.begin(), names.end(), [&](const std::string& wanted) {
        return wanted == name || wanted == "all" || wanted == "default" || wanted == "everything";
      });
    };
    for (const Named& section : kSections) {
      if (!names.empty() && !wants(section.name)) continue;
      if (!text_.empty()) text_ += "\r\n";
      text_ += "# ";
      text_ += section.title;
      text_ += "\r\n";
      (this->*section.write)();
    }
    return std::move(text_);
  }

 private:
  void Line(std::string_view name, std::string_view value) {
    text_ += name;
    text_ += ':';
    text_ += value;
    text_ += "\r\n";
  }
  void Line(std::string_view name, std::uint64_t value) { Line(name, std::to_string(value)); }

  void Server() {
    const RespOptions& options = session_.service().options();
    const std::int64_t uptime_s = stats_.uptime.us / 1'000'000;
    Line("redis_version", "7.0.15");
    Line("gyre_version", options.gyre_version);
    Line("redis_mode", "standalone");
    Line("arch_bits", "64");
    Line("process_id", static_cast<std::uint64_t>(getpid()));
    Line("run_id", options.node_name);
    Line("tcp_port", options.port);
    Line("server_time_usec", static_cast<std::uint64_t>(session_.now().wall.ms) * 1000);
    Line("uptime_in_seconds", static_cast<std::uint64_t>(uptime_s));
    Line("uptime_in_days", static_cast<std::uint64_t>(uptime_s / 86'400));
  }
  void Clients() {
    // The published figure may be a moment old: this thread's own count is the least there are.
    Line("connected_clients",
         std::max(stats_.resp_connections, session_.service().counters().connections));
    Line("blocked_clients", "0");
  }
  void Memory() {
    Line("used_memory", stats_.engine.bytes + stats_.engine.cache_bytes);
    Line("used_memory_dataset", stats_.engine.bytes);
    Line("used_memory_cache", stats_.engine.cache_bytes);
    Line("maxmemory", "0");
    Line("maxmemory_policy", "noeviction");
  }
  void Persistence() {
    Line("loading", "0");
    Line("storage_writable", stats_.engine.writable ? "1" : "0");
    Line("storage_commits", stats_.engine.commits);
    Line("storage_corruptions", stats_.engine.corruptions);
  }
  void Stats() {
    Line("total_connections_received", stats_.connections_total);
    Line("total_commands_processed", stats_.commands_total);
    Line("rejected_connections", stats_.connections_refused);
    Line("protocol_errors", stats_.protocol_errors);
    Line("keyspace_hits", stats_.engine.cache_hits);
    Line("keyspace_misses", stats_.engine.cache_misses);
    Line("gyre_gets", stats_.core.gets);
    Line("gyre_puts", stats_.core.puts);
    Line("gyre_siblings_created", stats_.core.siblings_created);
    Line("gyre_read_repairs", stats_.core.read_repairs);
    Line("gyre_unavailable", stats_.core.unavailable);
    Line("gyre_outcome_unknown", stats_.core.outcome_unknown);
    Line("gyre_overloaded", stats_.core.overloaded);
  }
  void Replication() {
    // Clients look for a master; every node takes reads and writes, so each says it is one.
    Line("role", "master");
    Line("connected_slaves", "0");
    Line("gyre_peers", stats_.peers.size());
    Line("gyre_peers_up",
         static_cast<std::uint64_t>(std::count_if(stats_.peers.begin(), stats_.peers.end(),
                                                  [](const PeerStats& peer) { return peer.up; })));
  }
  void Cluster() { Line("cluster_enabled", "0"); }
  void Keyspace() {
    // Rows that this node stores, tombstones and copies of other nodes' keys included: DBSIZE
    // counts.
    if (stats_.engine.rows == 0) return;
    Line("db0", "keys=" + std::to_string(stats_.engine.rows) + ",expires=0,avg_ttl=0");
  }

  RespSession& session_;
  NodeStats stats_;
  std::string text_;
};

std::string ToLower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return lower;
}

// What tools ask for, with the values that are true of Gyre.
std::vector<std::pair<std::string, std::string>> RedisSettings(const RespOptions& options) {
  return {{"appendfsync", options.appendfsync},
          {"appendonly", options.appendfsync == "no" ? "no" : "yes"},
          {"bind", ""},
          {"cluster-enabled", "no"},
          {"databases", "1"},
          {"maxmemory", "0"},
          {"maxmemory-policy", "noeviction"},
          {"notify-keyspace-events", ""},
          {"port", std::to_string(options.port)},
          {"proto-max-bulk-len", std::to_string(options.value_bytes_max)},
          {"save", ""},
          {"timeout", "0"}};
}

}  // namespace

void OkCommand(RespSession& session, const RespArgs&) { session.Reply().Ok(); }

void InfoCommand(RespSession& session, const RespArgs& args) {
  std::vector<std::string> names;
  for (std::size_t i = 1; i < args.size(); ++i) names.push_back(ToLower(args[i]));
  session.Reply().Verbatim("txt", InfoText(session).Render(names));
}

void ConfigGetCommand(RespSession& session, const RespArgs& args) {
  const auto settings = RedisSettings(session.service().options());
  std::vector<const std::pair<std::string, std::string>*> found;
  for (const auto& setting : settings) {
    for (std::size_t i = 2; i < args.size(); ++i) {
      if (args[i].size() > kGlobBytesMax) continue;
      if (!GlobMatch(args[i], setting.first, /*ignore_case=*/true)) continue;
      found.push_back(&setting);
      break;
    }
  }
  RespWriter out = session.Reply();
  out.Map(found.size());
  for (const auto* setting : found) {
    out.Bulk(setting->first);
    out.Bulk(setting->second);
  }
}

void ConfigSetCommand(RespSession& session, const RespArgs&) {
  session.Error(
      "ERR CONFIG SET is not offered: settings come from the configuration file and the flags of "
      "'gyre serve'");
}

void TimeCommand(RespSession& session, const RespArgs&) {
  const std::int64_t ms = session.now().wall.ms;
  RespWriter out = session.Reply();
  out.Array(2);
  out.BulkInteger(ms / 1000);
  out.BulkInteger(ms % 1000 * 1000);
}

void FunctionFlushCommand(RespSession& session, const RespArgs& args) {
  const bool ok =
      args.size() == 2 ||
      (args.size() == 3 && (EqualsWord(args[2], "async") || EqualsWord(args[2], "sync")));
  if (!ok) return session.Error("ERR FUNCTION FLUSH only supports SYNC|ASYNC option");
  session.Reply().Ok();
}

void DebugCommand(RespSession& session, const RespArgs&) {
  session.Error("ERR DEBUG command not allowed: Gyre does not offer it");
}

void RefuseNeedsLeader(RespSession& session, const RespArgs&) {
  session.Error("ERR '" + std::string(session.command().name) +
                "' needs a leader, and Gyre has none: " + std::string(session.command().summary));
}

}  // namespace gyre

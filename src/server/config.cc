#include "server/config.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <map>
#include <set>

#include "server/config_settings.h"
#include "server/config_toml.h"
#include "server/config_values.h"

namespace gyre {
namespace {

constexpr std::string_view kKeyspaces = "keyspaces.";
constexpr std::string_view kPeers = "cluster.peers[";

// Flags and variables for the default keyspace: --n, --r, --w, --default-ttl, --sloppy.
const std::vector<ConfigSetting>& AllSettings() {
  static const std::vector<ConfigSetting> settings = [] {
    std::vector<ConfigSetting> all;
    for (const SettingRow& row : SettingRows()) all.push_back(row.setting);
    all.push_back({"keyspaces.default.n",
                   "a whole number from 1 to 12, or eu=3,us=2: so many in each region",
                   "copies kept of each key of the default keyspace", "n"});
    all.push_back({"keyspaces.default.r",
                   "one, quorum, all, local_quorum, each_quorum or a number up to n",
                   "replies that a read needs", "r"});
    all.push_back({"keyspaces.default.w",
                   "one, quorum, all, local_quorum, each_quorum or a number up to n",
                   "acknowledgements that a write needs", "w"});
    all.push_back({"keyspaces.default.default_ttl", "a duration such as 24h, 0 for none",
                   "after this a key of the default keyspace expires", "default-ttl"});
    all.push_back({"keyspaces.default.sloppy", "yes or no",
                   "do other nodes stand in for owners that cannot be reached", "sloppy"});
    return all;
  }();
  return settings;
}

Error BadValue(const std::string& place, std::string_view key, const Error& accepted) {
  return {ErrorCode::kInvalidArgument,
          place + ": bad value for " + std::string(key) + "; accepted: " + accepted.message};
}

// Collects settings from the sources, lowest precedence first.
class Loader {
 public:
  // `place` says where the value stands: "gyre.toml:12:3", "--w", "GYRE_LOG_LEVEL".
  Status Set(const std::string& key, std::string_view text, const std::string& place) {
    if (key.starts_with(kKeyspaces)) return SetKeyspace(key, text, place);
    if (key.starts_with(kPeers)) return SetPeer(key, text, place);
    for (const SettingRow& row : SettingRows()) {
      if (row.setting.file_key != key) continue;
      if (Status status = row.set(config_, text); !status) {
        return Fail(BadValue(place, key, status.error()));
      }
      given_.insert(key);
      return {};
    }
    return Fail(ErrorCode::kInvalidArgument, place + ": unknown setting " + key + Suggest(key));
  }

  // Fills in what depends on several settings.
  Result<ServerConfig> Finish() {
    if (!peer_tables_.empty() && !given_.contains("cluster.peers")) {
      config_.members.clear();
      for (auto& [index, member] : peer_tables_) config_.members.push_back(std::move(member));
    }
    const auto self =
        std::find_if(config_.members.begin(), config_.members.end(),
                     [&](const MemberConfig& m) { return m.name == config_.node_name; });
    if (self != config_.members.end()) {
      if (!given_.contains("listen.peer_host")) config_.peer_listen.host = self->address.host;
      if (!given_.contains("listen.peer_port")) config_.peer_listen.port = self->address.port;
    } else if (!given_.contains("listen.peer_host")) {
      config_.peer_listen.host = config_.resp_listen.host;
    }
    if (Status status = FinishConfig(config_); !status) return Fail(std::move(status.error()));
    return std::move(config_);
  }

 private:
  Status SetKeyspace(const std::string& key, std::string_view text, const std::string& place) {
    const std::size_t dot = key.rfind('.');
    const std::string name =
        dot < kKeyspaces.size() ? "" : key.substr(kKeyspaces.size(), dot - kKeyspaces.size());
    const std::string field = key.substr(dot + 1);
    if (!IsName(name)) {
      return Fail(ErrorCode::kInvalidArgument, place +
                                                   ": a keyspace is a table [keyspaces.NAME]; " +
                                                   "NAME is " + std::string(kNameAccepted));
    }
    for (const KeyspaceSettingRow& row : KeyspaceSettingRows()) {
      if (row.name != field) continue;
      if (Status status = row.set(Keyspace(name), text); !status) {
        return Fail(BadValue(place, key, status.error()));
      }
      return {};
    }
    return Fail(ErrorCode::kInvalidArgument, place + ": unknown setting " + key +
                                                 "; a keyspace has n, r, w, default_ttl, sloppy");
  }

  Status SetPeer(const std::string& key, std::string_view text, const std::string& place) {
    const std::size_t close = key.find("].", kPeers.size());
    const std::size_t index = std::strtoull(key.c_str() + kPeers.size(), nullptr, 10);
    if (index >= kNodesMax) {
      return Fail(ErrorCode::kInvalidArgument, place + ": too many peers");
    }
    const std::string field = key.substr(close + 2);
    if (Status status = SetMember(peer_tables_[index], field, text); !status) {
      return Fail(BadValue(place, key, status.error()));
    }
    return {};
  }

  KeyspaceConfig& Keyspace(const std::string& name) {
    for (KeyspaceConfig& keyspace : config_.keyspaces) {
      if (keyspace.name == name) return keyspace;
    }
    config_.keyspaces.emplace_back().name = name;
    return config_.keyspaces.back();
  }

  // " (did you mean storage.folder?)" if the last part is known elsewhere.
  static std::string Suggest(std::string_view key) {
    const std::string_view last = key.substr(key.rfind('.') + 1);
    std::string sections;
    for (const SettingRow& row : SettingRows()) {
      const std::string_view known = row.setting.file_key;
      const std::string_view section = known.substr(0, known.find('.'));
      if (known.substr(known.find('.') + 1) == last) {
        return " (did you mean " + std::string(known) + "?)";
      }
      if (key.starts_with(section) && key.substr(section.size()).starts_with('.')) {
        sections += (sections.empty() ? "" : ", ") + std::string(known);
      }
    }
    if (!sections.empty()) return "; known here: " + sections;
    return "; the sections are node, cluster, listen, security, storage, server, limits, "
           "hints, background, operator, log, keyspaces";
  }

  ServerConfig config_;
  std::set<std::string> given_;
  std::map<std::size_t, MemberConfig> peer_tables_;
};

}  // namespace

std::string HostPort::ToString() const {
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Result<HostPort> ParseHostPort(std::string_view text) {
  const Error bad{ErrorCode::kInvalidArgument, "host:port, such as 127.0.0.1:7381 or [::1]:7381"};
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return Fail(bad);
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[')) {
    if (!host.ends_with(']')) return Fail(bad);
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return Fail(bad);
  }
  if (host.size() > 255 || host.find_first_of(" /,[]=") != std::string_view::npos) return Fail(bad);
  const Result<std::uint64_t> port = ParseWhole(text.substr(colon + 1), 0, 65535);
  if (!port) return Fail(bad);
  return HostPort{host.empty() ? "0.0.0.0" : std::string(host), static_cast<std::uint16_t>(*port)};
}

Result<WebhookUrl> ParseWebhook(std::string_view text) {
  constexpr std::size_t kUrlBytesMax = 2048;
  constexpr std::string_view kScheme = "http://";
  std::string accepted = "a URL such as http://127.0.0.1:9000/hook, or nothing";
  if (text.starts_with("https:")) accepted += "; https is not supported yet";
  const Error bad{ErrorCode::kInvalidArgument, std::move(accepted)};
  const auto fits = [](char c) { return c > ' ' && c < 0x7F && c != '#'; };
  if (text.size() > kUrlBytesMax || !text.starts_with(kScheme) ||
      !std::all_of(text.begin(), text.end(), fits)) {
    return Fail(bad);
  }
  text.remove_prefix(kScheme.size());
  const std::string_view authority = text.substr(0, text.find_first_of("/?"));
  const std::string_view path = text.substr(authority.size());
  // What is left of the port: a name, an IPv4 address, or an IPv6 address in brackets.
  const bool has_port = authority.find(':', authority.rfind(']') + 1) != std::string_view::npos;
  const Result<HostPort> address = ParseHostPort(std::string(authority) + (has_port ? "" : ":80"));
  if (!address || address->port == 0 || authority.empty() || authority.starts_with(':') ||
      authority.starts_with("[]") ||
      !std::all_of(address->host.begin(), address->host.end(), [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '-' ||
               c == '_' || c == ':';
      })) {
    return Fail(bad);
  }
  return WebhookUrl{*address, (path.starts_with('/') ? "" : "/") + std::string(path)};
}

Result<std::vector<MemberConfig>> ParsePeers(std::string_view text) {
  std::vector<MemberConfig> members;
  const auto refuse = [](std::string_view part, const std::string& why) {
    return Fail(ErrorCode::kInvalidArgument,
                "name=host:port[/zone[/region[/weight]]], separated by commas; \"" +
                    std::string(part) + "\": " + why);
  };
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    std::string_view part = text.substr(0, comma);
    text = comma == std::string_view::npos ? "" : text.substr(comma + 1);
    while (part.starts_with(' ')) part.remove_prefix(1);
    while (part.ends_with(' ')) part.remove_suffix(1);
    if (members.size() >= kNodesMax) return refuse(part, "too many nodes");

    MemberConfig member;
    const std::size_t equals = part.find('=');
    if (equals == std::string_view::npos) return refuse(part, "there is no '='");
    std::string_view rest = part.substr(equals + 1);
    if (Status s = SetMember(member, "name", part.substr(0, equals)); !s) {
      return refuse(part, "the name must be " + s.error().message);
    }
    constexpr std::string_view kParts[] = {"address", "zone", "region", "weight"};
    for (std::size_t i = 0;; ++i) {
      if (i == std::size(kParts)) return refuse(part, "there are too many parts");
      const std::size_t slash = rest.find('/');
      const std::string_view value = rest.substr(0, slash);
      if (i == 0 || !value.empty()) {
        if (Status s = SetMember(member, kParts[i], value); !s) {
          return refuse(part, "the " + std::string(kParts[i]) + " must be " + s.error().message);
        }
      }
      if (slash == std::string_view::npos) break;
      rest = rest.substr(slash + 1);
    }
    members.push_back(std::move(member));
  }
  return members;
}

std::span<const ConfigSetting> ConfigSettings() { return AllSettings(); }

std::string FlagOf(const ConfigSetting& setting) { return std::string(setting.flag); }

std::string EnvironmentOf(const ConfigSetting& setting) {
  std::string name = "GYRE_";
  for (const char c : setting.file_key) {
    name += c == '.' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return name;
}

std::vector<std::pair<std::string, std::string>> ConfigEnvironment() {
  // Only names that are settings: other GYRE_ variables may be anyone's (an orchestrator makes
  // GYRE_PORT of a service called gyre).
  std::vector<std::pair<std::string, std::string>> found;
  for (const ConfigSetting& setting : ConfigSettings()) {
    const std::string name = EnvironmentOf(setting);
    if (const char* value = std::getenv(name.c_str())) found.emplace_back(name, value);
  }
  return found;
}

Result<ServerConfig> LoadConfig(const ConfigSources& sources) {
  Loader loader;
  if (sources.file_text) {
    Result<std::vector<TomlEntry>> entries = FlattenToml(*sources.file_text, sources.file_name);
    if (!entries) return Fail(std::move(entries.error()));
    for (const TomlEntry& entry : *entries) {
      if (Status s = loader.Set(entry.key, entry.value, entry.place); !s) {
        return Fail(std::move(s.error()));
      }
    }
  }
  for (const auto& [name, value] : sources.environment) {
    for (const ConfigSetting& setting : ConfigSettings()) {
      if (EnvironmentOf(setting) != name) continue;
      if (Status s = loader.Set(std::string(setting.file_key), value, name); !s) {
        return Fail(std::move(s.error()));
      }
    }
  }
  for (const auto& flag : sources.flags) {
    const auto& settings = AllSettings();
    const auto it = std::find_if(settings.begin(), settings.end(),
                                 [&](const ConfigSetting& s) { return FlagOf(s) == flag.first; });
    if (it == settings.end()) {
      return Fail(ErrorCode::kInvalidArgument, "unknown flag --" + flag.first);
    }
    if (Status s = loader.Set(std::string(it->file_key), flag.second, "--" + flag.first); !s) {
      return Fail(std::move(s.error()));
    }
  }
  return loader.Finish();
}

std::string DescribeConfig(const ServerConfig& config) {
  std::string text;
  for (const SettingRow& row : SettingRows()) {
    const std::string value = row.get(config);
    const bool bare = !value.empty() && std::all_of(value.begin(), value.end(),
                                                    [](char c) { return c >= '0' && c <= '9'; });
    text += std::string(row.setting.file_key) + " = " + (bare ? value : "\"" + value + "\"") + "\n";
  }
  for (const KeyspaceConfig& keyspace : config.keyspaces) {
    for (const KeyspaceSettingRow& row : KeyspaceSettingRows()) {
      text += "keyspaces." + keyspace.name + "." + std::string(row.name) + " = \"" +
              row.get(keyspace) + "\"\n";
    }
  }
  return text;
}

}  // namespace gyre

// The table of settings: how each is parsed into a ServerConfig and printed from it. Private to
// config.cc and its helpers.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "server/config.h"

namespace gyre {

struct SettingRow {
  ConfigSetting setting;
  Status (*set)(ServerConfig& config, std::string_view text);  // the error says what is accepted
  std::string (*get)(const ServerConfig& config);
};
std::span<const SettingRow> SettingRows();

// The settings of one keyspace: n, r, w, default_ttl, sloppy.
struct KeyspaceSettingRow {
  std::string_view name;
  Status (*set)(KeyspaceConfig& keyspace, std::string_view text);
  std::string (*get)(const KeyspaceConfig& keyspace);
};
std::span<const KeyspaceSettingRow> KeyspaceSettingRows();

// The settings of one table under [[cluster.peers]]: name, address, weight, zone, region.
Status SetMember(MemberConfig& member, std::string_view name, std::string_view text);

// 1 to 64 of [A-Za-z0-9._-]: nodes, keyspaces, cluster ids.
bool IsName(std::string_view text);
inline constexpr std::string_view kNameAccepted = "1 to 64 of the characters A-Z a-z 0-9 . _ -";

}  // namespace gyre

// Every command that Gyre knows, in one table: it drives dispatch, the arity check, which keys a
// command touches and how (the order within a connection depends on it), COMMAND and its kin, and
// docs/commands.md. Redis's commands that need a leader are in it too, so that they get an answer
// that helps.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "net/resp_parser.h"
#include "server/node_stats.h"

namespace gyre {

class RespSession;
using CommandHandler = void (*)(RespSession& session, const RespArgs& args);

enum class CommandGroup : std::uint8_t {
  kNative,  // KV.*: siblings and contexts as they are
  kString,
  kGeneric,
  kConnection,
  kServer,
  kNeedsLeader,  // refused
};

// What a command does to its keys; decides what it must wait for on its connection.
enum class KeyAccess : std::uint8_t {
  kNone,   // answered at once, in order
  kRead,   // waits for earlier writes of its keys
  kSet,    // a plain overwrite: waits for others, but not for earlier plain overwrites
  kWrite,  // reads and writes: waits for all that touch its keys
  kAlone,  // waits for everything before it, and all behind it waits
};
inline constexpr std::size_t kKeyAccessCount = 5;

struct CommandSpec {
  // COMMAND's flags.
  enum Flag : std::uint16_t {
    kFlagWrite = 1,
    kFlagReadonly = 2,
    kFlagDenyOom = 4,
    kFlagAdmin = 8,
    kFlagNoScript = 16,
    kFlagLoading = 32,
    kFlagStale = 64,
    kFlagFast = 128,
    kFlagNoAuth = 256,  // allowed before AUTH
    kFlagMovableKeys = 512,
  };

  std::string_view name;  // lower case; of a subcommand "client|id"
  std::int16_t arity;     // as Redis counts: with the name; negative: at least
  std::uint16_t flags;
  std::int16_t first_key, last_key, key_step;  // as Redis; 0: none
  CommandGroup group;
  KeyAccess access;
  Operation operation;       // which latency histogram
  CommandHandler handler;    // null: only its subcommands do anything
  std::string_view since;    // of Redis; of Gyre for kNative
  std::string_view syntax;   // arguments, for docs
  std::string_view summary;  // kNeedsLeader: what to use instead

  bool is_subcommand() const { return name.find('|') != std::string_view::npos; }
  bool HasSubcommands() const;
  bool MatchesArity(std::size_t args) const {
    return arity >= 0 ? args == static_cast<std::size_t>(arity)
                      : args >= static_cast<std::size_t>(-arity);
  }
};

// All rows: commands by name, each followed by its subcommands.
std::span<const CommandSpec> AllCommands();

// Null if unknown. Any case. No allocation.
const CommandSpec* FindCommand(std::string_view name);
const CommandSpec* FindSubcommand(const CommandSpec& container, std::string_view name);

std::string_view CommandGroupName(CommandGroup group);

// The text of docs/commands.md.
std::string RenderCommandsMarkdown();

}  // namespace gyre

// gyre serve, config check, config show.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <deque>
#include <memory>

#include "cli/cli_support.h"
#include "cli/verbs.h"
#include "server/config.h"
#include "server/link_security.h"
#include "server/server.h"

namespace gyre {
namespace {

constexpr std::size_t kConfigBytesMax = 4 * 1024 * 1024;

// Every setting as a flag, and the file.
struct ConfigFlags {
  struct Flag {
    std::string name;
    std::string value;
    CLI::Option* option;
  };
  std::deque<Flag> settings;  // their addresses are CLI11's
  std::string file;
};

void AddConfigFlags(CLI::App& verb, ConfigFlags& flags) {
  verb.add_option("--config", flags.file, "a TOML file; also GYRE_CONFIG")->envname("GYRE_CONFIG");
  for (const ConfigSetting& setting : ConfigSettings()) {
    ConfigFlags::Flag& flag = flags.settings.emplace_back();
    flag.name = FlagOf(setting);
    const std::string help =
        std::string(setting.help) + ". Accepted: " + std::string(setting.accepted) +
        ". In the file: " + std::string(setting.file_key) + "; also " + EnvironmentOf(setting);
    flag.option = verb.add_option("--" + flag.name, flag.value, help)->group("Settings");
  }
}

Result<ServerConfig> Load(const ConfigFlags& flags) {
  ConfigSources sources;
  sources.file_name = flags.file;
  if (!flags.file.empty()) {
    Result<std::string> text = ReadFile(flags.file, kConfigBytesMax);
    if (!text) return Fail(std::move(text.error()));
    sources.file_text = std::move(*text);
  }
  sources.environment = ConfigEnvironment();
  for (const ConfigFlags::Flag& flag : flags.settings) {
    if (flag.option->count() > 0) sources.flags.emplace_back(flag.name, flag.value);
  }
  return LoadConfig(sources);
}

int Check(const ConfigFlags& flags, bool show) {
  const Result<ServerConfig> config = Load(flags);
  if (!config) return Complain(config.error());
  if (!show) {
    const Result<LinkSecurity> security = LoadLinkSecurity(*config, /*log=*/nullptr);
    if (!security) return Complain(security.error());
  }
  for (const std::string& warning : ConfigWarnings(*config)) {
    std::fprintf(stderr, "warning: %s\n", warning.c_str());
  }
  const std::string text = show ? DescribeConfig(*config)
                                : "ok: node " + config->node_name + " of " +
                                      std::to_string(config->members.size()) + ", " +
                                      std::to_string(config->keyspaces.size()) + " keyspace(s)\n";
  return WriteOut(text) ? kExitOk : kExitUsage;
}

}  // namespace

void AddServeVerbs(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<ConfigFlags>();
  CLI::App* serve = app.add_subcommand("serve", "Run a node");
  AddConfigFlags(*serve, *flags);
  serve->callback([flags, &exit_code] {
    const Result<ServerConfig> config = Load(*flags);
    exit_code = config ? RunServer(*config) : Complain(config.error());
  });

  CLI::App* config = app.add_subcommand("config", "About a node's settings");
  config->require_subcommand(1);
  for (const bool show : {false, true}) {
    auto own = std::make_shared<ConfigFlags>();
    CLI::App* verb = show ? config->add_subcommand("show", "Print every setting with its value")
                          : config->add_subcommand("check", "Say whether a node would start so");
    AddConfigFlags(*verb, *own);
    verb->add_option("file", own->file, "as --config");
    verb->callback([own, show, &exit_code] { exit_code = Check(*own, show); });
  }
}

}  // namespace gyre

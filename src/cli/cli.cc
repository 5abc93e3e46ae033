#include "cli/cli.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <csignal>

#include "cli/bench_command.h"
#include "cli/cli_support.h"
#include "cli/verbs.h"
#include "server/version.h"

namespace gyre {

int CliMain(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // a closed pipe is an exit code, not a death
  int exit_code = kExitOk;
  CLI::App app("Gyre: a key-value store with no centre.", "gyre");
  app.footer(
      "Exit codes: 0 done; 1 not found; 2 wrong arguments, or refused; 3 unavailable: surely not\n"
      "applied; 4 the outcome is unknown: it may be applied, now or later.\n"
      "GYRE_ADDRESS (host:port) names the node to talk to.");
  app.require_subcommand(1);
  app.set_version_flag("--version", std::string("gyre ") + kGyreVersion);
  AddDataVerbs(app, exit_code);
  AddRingVerbs(app, exit_code);
  AddClusterVerbs(app, exit_code);
  AddMemberVerbs(app, exit_code);
  AddDrainVerb(app, exit_code);
  AddServeVerbs(app, exit_code);
  AddBenchCommand(app, exit_code);
  app.add_subcommand("version", "Print the version")->callback([] {
    WriteOut(std::string("gyre ") + kGyreVersion + "\n");
  });
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    // Help and version come this way too, with exit code 0.
    return app.exit(error) == 0 ? kExitOk : kExitUsage;
  }
  return exit_code;
}

}  // namespace gyre

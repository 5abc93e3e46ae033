// The verbs, each set in a file of its own. Their callbacks do the work and set `exit_code`, which
// must outlive the parse.
#pragma once

namespace CLI {
class App;
}

namespace gyre {

void AddDataVerbs(CLI::App& app, int& exit_code);     // get, put, del
void AddClusterVerbs(CLI::App& app, int& exit_code);  // status, keyspace, key explain
void AddMemberVerbs(CLI::App& app, int& exit_code);   // cluster ...
void AddDrainVerb(CLI::App& app, int& exit_code);     // drain
void AddRingVerbs(CLI::App& app, int& exit_code);     // ring, ring assess
void AddServeVerbs(CLI::App& app, int& exit_code);    // serve, config check, config show

}  // namespace gyre

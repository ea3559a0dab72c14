/* `synfin explain`: the lives of chosen connections, told step by step. */
#ifndef SYNFIN_CLI_EXPLAIN_H
#define SYNFIN_CLI_EXPLAIN_H

/* The words after the command. Returns what the process ends with (enum sf_status); complaints go
 * to standard error. */
int sf_explain_run(int count, char **words);

#endif

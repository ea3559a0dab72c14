/* What the first word asks for: a command of the vocabulary, or a run over packets. */
#ifndef SYNFIN_CLI_COMMAND_H
#define SYNFIN_CLI_COMMAND_H

/* Runs the program on the words after its name; returns its exit status (see pipeline.h). */
int sf_command_run(int count, char **words);

#endif

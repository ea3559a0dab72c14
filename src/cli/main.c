/* The program: a command word or options, then the pipeline. */
#include <locale.h>

#include "command.h"

int main(int argc, char **argv)
{
    setlocale(LC_CTYPE, "");
    return sf_command_run(argc - 1, argv + 1);
}

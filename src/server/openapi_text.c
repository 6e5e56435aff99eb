/* SPDX-License-Identifier: Apache-2.0 */
#include "server/openapi_text.h"

/* The assembler takes the file in; compilers run in the root of the project. */
__asm__(".pushsection .rodata\n"
        ".global openapi_text\n"
        ".hidden openapi_text\n"
        ".global openapi_text_end\n"
        ".hidden openapi_text_end\n"
        "openapi_text:\n"
        ".incbin \"docs/openapi.json\"\n"
        "openapi_text_end:\n"
        ".byte 0\n"
        ".popsection\n");

extern const char openapi_text_end[];

size_t openapi_text_size(void)
{
    return (size_t)(openapi_text_end - openapi_text);
}

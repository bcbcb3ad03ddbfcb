# SPDX-License-Identifier: Apache-2.0
# What `cmake --install` and the Debian packages hold: the program with its data, pages and completion, and the libraries for programs of others.
include(CMakePackageConfigHelpers)

# What names no component belongs to the program: plugins and shims that other programs load.
set(CMAKE_INSTALL_DEFAULT_COMPONENT_NAME program)

# Libraries, headers, and what find_package(p2plab) needs.
function(p2plab_install_libraries)
  get_property(libraries GLOBAL PROPERTY P2PLAB_LIBRARIES)
  install(TARGETS ${libraries} EXPORT p2plabTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development
          FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development)
  set(destination ${CMAKE_INSTALL_LIBDIR}/cmake/p2plab)
  install(EXPORT p2plabTargets NAMESPACE p2plab:: DESTINATION ${destination} COMPONENT development)
  configure_package_config_file(${PROJECT_SOURCE_DIR}/framework/cmake/p2plabConfig.cmake.in ${PROJECT_BINARY_DIR}/p2plabConfig.cmake
                                INSTALL_DESTINATION ${destination})
  write_basic_package_version_file(${PROJECT_BINARY_DIR}/p2plabConfigVersion.cmake COMPATIBILITY SameMinorVersion)
  install(FILES ${PROJECT_BINARY_DIR}/p2plabConfig.cmake ${PROJECT_BINARY_DIR}/p2plabConfigVersion.cmake DESTINATION ${destination}
          COMPONENT development)
endfunction()

# The program, profiles and configs, the pages of `man`, and completion for three shells.
function(p2plab_install_program)
  install(TARGETS p2plab_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT program)
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/profiles ${PROJECT_SOURCE_DIR}/configs DESTINATION ${CMAKE_INSTALL_DATADIR}/p2plab COMPONENT program
          FILES_MATCHING PATTERN "*.yaml")
  foreach(text IN ITEMS README.md GLOSSARY.md CHANGELOG.md)
    install(FILES ${PROJECT_SOURCE_DIR}/${text} DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT program)
  endforeach()
  install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} RENAME copyright COMPONENT program)
  set(completion ${PROJECT_SOURCE_DIR}/experiments/completion)
  install(FILES ${completion}/p2plab.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME p2plab COMPONENT program)
  # Debian's zsh looks into another folder below /usr than zsh does elsewhere.
  install(CODE "
    set(folder site-functions)
    if(CMAKE_INSTALL_PREFIX MATCHES \"/usr\\$\")
      set(folder vendor-completions)
    endif()
    file(INSTALL \"${completion}/_p2plab\" DESTINATION \"\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_DATADIR}/zsh/\${folder}\")
  " COMPONENT program)
  install(FILES ${completion}/p2plab.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d COMPONENT program)
  # Pages are made from the program's --help when it is installed, so that a build does not wait for them.
  set(pages ${PROJECT_BINARY_DIR}/man)
  install(CODE "
    file(REMOVE_RECURSE \"${pages}\")
    execute_process(COMMAND \"${PROJECT_SOURCE_DIR}/experiments/man/make_man.sh\" \"$<TARGET_FILE:p2plab_cli>\" \"${pages}\" COMMAND_ERROR_IS_FATAL ANY)
    file(GLOB pages \"${pages}/*.1\")
    execute_process(COMMAND gzip -9n \${pages} RESULT_VARIABLE ignored)
    file(GLOB pages \"${pages}/*\")
    file(INSTALL \${pages} DESTINATION \"\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_MANDIR}/man1\")
  " COMPONENT program)
endfunction()

# Two Debian packages, made by `./dev package`: p2plab, the program, and libp2plab-dev, the libraries. What the program links is found by dpkg-shlibdeps.
function(p2plab_packages)
  set(CPACK_GENERATOR DEB)
  set(CPACK_PACKAGE_NAME p2plab)
  set(CPACK_PACKAGE_CONTACT "p2plab developers <p2plab@localhost>")
  set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
  set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
  set(CPACK_STRIP_FILES ON)
  set(CPACK_COMPONENTS_ALL program development)
  set(CPACK_DEB_COMPONENT_INSTALL ON)
  set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
  set(CPACK_DEBIAN_PACKAGE_SECTION science)
  set(CPACK_DEBIAN_PROGRAM_PACKAGE_NAME p2plab)
  set(CPACK_DEBIAN_PROGRAM_PACKAGE_SHLIBDEPS ON)
  set(CPACK_DEBIAN_PROGRAM_PACKAGE_SUGGESTS "libnccl2")
  set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libp2plab-dev)
  set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
  set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS
      "libboost-dev, libyaml-cpp-dev, libfmt-dev, nlohmann-json3-dev, libpugixml-dev, coinor-libclp-dev, zlib1g-dev, pkg-config")
  include(CPack)
endfunction()

# `ninja p2plab_installables` builds what is installed, and nothing else.
function(p2plab_installables)
  add_custom_target(p2plab_installables)
  foreach(target IN ITEMS p2plab_cli p2plab_experiments p2plab_nccl_env p2plab_nccl_profiler p2plab_nccl_tuner p2plab_runtime p2plab_nccl p2plab_audit)
    if(TARGET ${target})
      add_dependencies(p2plab_installables ${target})
    endif()
  endforeach()
endfunction()

function(p2plab_install)
  p2plab_install_libraries()
  p2plab_installables()
  if(TARGET p2plab_cli)
    p2plab_install_program()
  endif()
  if(PROJECT_IS_TOP_LEVEL)
    p2plab_packages()
  endif()
endfunction()
